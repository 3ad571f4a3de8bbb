export { wrap } from "./wrap";

export const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
