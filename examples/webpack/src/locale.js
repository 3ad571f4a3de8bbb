// All of date-fns's locales, in a chunk of their own.
export async function locale(name) {
  const all = await import("date-fns/locale");
  return all[name.replace("-", "")] ?? all.enGB;
}
