// Follows the jobs that go on, until the last of them has ended.
import { data, find, root } from "./page.js";

const seconds = new Intl.NumberFormat(root.lang, { style: "unit", unit: "second", unitDisplay: "long" });
const minutes = new Intl.NumberFormat(root.lang, { style: "unit", unit: "minute", unitDisplay: "long" });
const told = (left) => (left < 90 ? seconds.format(Math.max(5, 5 * Math.round(left / 5))) : minutes.format(Math.round(left / 60)));

/** How long the present step still takes, by how fast it has gone since it was first seen; '' while that is not known. */
const clock = () => {
  let step, began, at;
  return ({ message, share }) => {
    const name = (message ?? "").replace(/\d+ of \d+$/, "");
    if (share === null) return "";
    if (name !== step || share < at) [step, at, began] = [name, share, performance.now()];
    const passed = (performance.now() - began) / 1000;
    return share > at && passed > 2 ? data.left.replace("%s", told(((1 - share) * passed) / (share - at))) : "";
  };
};

const follow = (number) => {
  const row = find(`[data-job="${number}"]`);
  const news = new EventSource(`/v1/jobs/${number}/events`);
  const left = clock();
  const show = (event) => {
    const job = JSON.parse(event.data);
    find("[data-left]", row).textContent = left(job);
    find("[data-state]", row).textContent = data.states[job.state];
    find("[data-message]", row).textContent = job.message ?? "";
    const bar = find("progress", row);
    if (job.share === null && job.state === "running") bar.removeAttribute("value"); // it is at work, nobody knows how far
    else bar.value = job.share ?? 0;
    if (data.ended.includes(job.state)) location.reload();
  };
  for (const state of Object.keys(data.states)) news.addEventListener(state, show);
};
data.jobs.slice(-2).forEach(follow); // the oldest: a browser has few connections to one server
