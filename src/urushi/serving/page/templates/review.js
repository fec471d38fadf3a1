// The queue: the nearest to the threshold first, one key per verdict, and back again.
import { ask, data, find, keys, make } from "./page.js";
import { stage } from "./stage.js";
import { judging } from "./verdict.js";

const LIMIT = 30;
const MARKS = { anomalous: "▲", unsure: "?", normal: "✓" };
const holder = find("[data-stage]");

if (holder) {
  const shown = stage(holder);
  const numbers = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
  const later = new Set();
  let [queue, done, here] = [[], [], null];
  let nReviewed = data.n_reviewed;

  const words = (one) => (one.verdict ? [data.words[`verdict_${one.verdict.verdict}`], one.verdict.defect_type].filter(Boolean).join(": ") : "");
  const show = (one) => {
    here = one;
    for (const element of ["#queue", "#done"]) find(element).hidden = Boolean(one) === (element === "#done");
    if (!one) return;
    shown.show(one);
    const decided = make("span", { className: `decision ${one.decision}` }, `${MARKS[one.decision]} ${data.words[one.decision]}`);
    find("#decided").replaceChildren(decided);
    find("#about").textContent = one.part_id ?? one.source;
    find("#about").href = `/images/${one.id}`;
    const ratio = one.score_in_thresholds ?? one.score;
    find("#told").textContent = [`${numbers.format(ratio)} ×`, words(one)].filter(Boolean).join(" · ");
  };
  const next = async () => {
    here = null; // until it is known what comes, nothing is judged twice
    if (!queue.length) {
      const seen = new Set([...done, ...later]);
      const found = await ask("GET", `/v1/detectors/${data.detector}/borderline?limit=${LIMIT + later.size}`);
      queue = found.filter((one) => !seen.has(one.id));
    }
    show(queue.shift() ?? null);
  };
  const judged = (one) => {
    if (!done.includes(one.id)) {
      done.push(one.id);
      nReviewed += 1;
    }
    find("#progress").value = nReviewed;
    find("#counted").textContent = `${numbers.format(nReviewed)} / ${numbers.format(data.n)}`;
    find("#given").prepend(make("li", {}, `${one.part_id ?? one.source}: ${words(one)}`));
    find("#undo").disabled = false;
    next();
  };
  const undo = async () => {
    const number = done.at(-1);
    if (number === undefined) return;
    if (here && here.id !== number) queue.unshift(here);
    show(await ask("GET", `/v1/inspections/${number}`)); // another verdict takes the place of the one before
  };
  const postpone = () => here && (later.add(here.id), next());

  judging(find("#judge"), () => here && `/v1/inspections/${here.id}/verdicts`, judged);
  find("#undo").addEventListener("click", undo);
  find("#skip-one").addEventListener("click", postpone);
  keys({ z: () => void undo(), s: () => void postpone() });
  next();
}
