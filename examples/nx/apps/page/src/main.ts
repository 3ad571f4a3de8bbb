import { greeting } from "@example/greeting";
import "./style.css";

document.getElementById("greeting")!.textContent = greeting("world");
