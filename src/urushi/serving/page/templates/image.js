import { find, keys } from "./page.js";
import { stage } from "./stage.js";
import { judging } from "./verdict.js";

const holder = find("[data-stage]");
const judged = find("[data-judge]");
if (holder) stage(holder);
if (judged) judging(judged, () => judged.dataset.judge, () => location.reload());
keys({ j: () => find("[rel=next]")?.click(), k: () => find("[rel=prev]")?.click() });
