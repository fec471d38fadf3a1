// Verdicts by one key or one click; the API takes them.
import { ask, find, findAll, keys } from "./page.js";

/** `path` says where the verdict goes, null for nowhere; `done` is told what the API answers. */
export const judging = (holder, path, done) => {
  const give = async (verdict, type) => {
    const place = path();
    if (!place) return;
    const note = find("[data-note]")?.value.trim();
    done(await ask("POST", place, { verdict, ...(type && { defect_type: type }), ...(note && { note }) }));
  };
  const field = find("[data-new-type]", holder);
  for (const button of findAll("[data-verdict]", holder)) {
    button.addEventListener("click", () => give(button.dataset.verdict, button.dataset.type));
  }
  field?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !field.value.trim()) return;
    event.preventDefault();
    give("ng", field.value.trim());
    field.value = "";
    field.blur();
  });
  const typed = Object.fromEntries(findAll("[data-type]", holder).map((one, at) => [String(at + 1), () => void give("ng", one.dataset.type)]));
  keys({ o: () => void give("ok"), n: () => void give("ng"), u: () => void give("unsure"), ...typed });
};
