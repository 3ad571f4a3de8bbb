export const wrap = (text: string, width: number): string[] =>
    text.match(new RegExp(`.{1,${width}}(\\s|$)`, "g"))?.map((line) => line.trimEnd()) ?? [];
