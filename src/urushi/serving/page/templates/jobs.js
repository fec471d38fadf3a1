// Follows the jobs that go on, until the last of them has ended.
import { data, find } from "./page.js";

const follow = (number) => {
  const row = find(`[data-job="${number}"]`);
  const news = new EventSource(`/v1/jobs/${number}/events`);
  const show = (event) => {
    const job = JSON.parse(event.data);
    find("[data-state]", row).textContent = data.states[job.state];
    find("[data-message]", row).textContent = job.message ?? "";
    find("progress", row).value = job.share ?? (job.state === "done" ? 1 : 0);
    if (data.ended.includes(job.state)) location.reload();
  };
  for (const state of Object.keys(data.states)) news.addEventListener(state, show);
};
data.jobs.slice(-2).forEach(follow); // the oldest: a browser has few connections to one server
