import type { Circle } from "@example/shapes";

export const area = (circle: Circle): number => Math.PI * circle.radius ** 2;
