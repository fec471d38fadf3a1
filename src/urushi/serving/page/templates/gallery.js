// Arrow keys go from picture to picture, as they lie on the page.
import { find, findAll, keys } from "./page.js";

const parts = findAll(".part");
const row = () => parts.filter((one) => one.offsetTop === parts[0].offsetTop).length || 1;
const go = (step) => {
  const here = parts.indexOf(document.activeElement);
  const next = parts[here < 0 ? 0 : Math.min(parts.length - 1, Math.max(0, here + step))];
  if (!next) return false;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
};
keys({
  ArrowRight: () => go(1),
  ArrowLeft: () => go(-1),
  ArrowDown: () => (parts.includes(document.activeElement) ? go(row()) : false),
  ArrowUp: () => (parts.includes(document.activeElement) ? go(-row()) : false),
  j: () => find("[rel=next]")?.click(),
});
