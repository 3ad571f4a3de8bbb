import { createElement, useEffect, useState } from "react";
import { formatRelative } from "date-fns";
import { locale } from "./locale";
import { samples } from "./samples";
import { curve } from "./curve";

export function Page() {
  const [points, setPoints] = useState([]);
  const [language, setLanguage] = useState();
  useEffect(() => {
    locale(navigator.language).then(setLanguage);
    const subscription = samples().subscribe(setPoints);
    return () => subscription.unsubscribe();
  }, []);
  return createElement(
    "section",
    null,
    createElement("h1", null, GREETING),
    createElement("p", null, formatRelative(new Date(), new Date(), { locale: language })),
    createElement("svg", null, createElement("path", { d: curve(points) })),
  );
}
