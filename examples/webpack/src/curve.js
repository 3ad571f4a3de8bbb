import * as d3 from "d3";

export const curve = d3.line().curve(d3.curveCatmullRom);
