import { title } from "@example/text";

export const greeting = (name: string): string => `Hello, ${title(name)}!`;
