import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { Page } from "./page";

createRoot(document.body.appendChild(document.createElement("main"))).render(createElement(Page));
