// The what-if threshold: the station has counted at each place that the slider can have.
import { data, find, findAll, root } from "./page.js";

const { figures, places, present } = data;
const plot = find("#plot");
const slider = find("#slider");
const line = find("#what-if-line");
const beyond = find("#beyond");
const number = new Intl.NumberFormat(root.lang, { maximumSignificantDigits: 4 });
const percent = new Intl.NumberFormat(root.lang, { style: "percent", maximumFractionDigits: 1 });

const cells = (name) => findAll(`[data-figure=${name}] td`);
const share = (name, n, of, low, high) => {
  const [count, ratio, interval] = cells(name);
  count.textContent = `${number.format(n)} / ${number.format(of)}`;
  ratio.textContent = of ? percent.format(n / of) : "–";
  interval.textContent = low === null ? "–" : `${percent.format(low)} – ${percent.format(high)}`;
};
const show = (at) => {
  const threshold = figures.thresholds[at];
  for (const end of ["x1", "x2"]) line.setAttribute(end, `${places[at]}%`);
  line.classList.toggle("moved", at !== present);
  beyond.setAttribute("x", `${places[at]}%`);
  beyond.setAttribute("width", `${100 - places[at]}%`);
  for (const name of ["escapes", "false_alarms", "held_out", "anomalous"]) {
    const { n, of, low, high } = figures[name];
    share(name, n[at], of, low[at], high[at]);
  }
  const { n, of, low, high } = figures.escapes; // what does not escape is caught
  share("caught", of - n[at], of, of ? 1 - high[at] : null, of ? 1 - low[at] : null);
  if (figures.costs) cells("costs")[0].textContent = number.format(figures.costs[at]);
  find("#at").textContent = number.format(threshold);
  slider.value = at;
  slider.setAttribute("aria-valuetext", number.format(threshold));
  find("#reset").disabled = at === present;
  find("#choose").href = `/recalibration?${new URLSearchParams({ detector: data.detector, rule: "fixed", value: threshold })}`;
};
const nearest = (place) => places.reduce((best, one, at) => (Math.abs(one - place) < Math.abs(places[best] - place) ? at : best), 0);
const drag = (event) => {
  const box = plot.getBoundingClientRect();
  show(nearest((100 * (event.clientX - box.left)) / box.width));
};

slider.addEventListener("input", () => show(Number(slider.value)));
find("#reset").addEventListener("click", () => show(present));
plot.addEventListener("pointerdown", (event) => {
  plot.setPointerCapture(event.pointerId);
  drag(event);
});
plot.addEventListener("pointermove", (event) => event.buttons && drag(event));
if (figures.costs) {
  const least = figures.costs.reduce((best, cost, at) => (cost <= figures.costs[best] ? at : best), 0);
  find("#least").textContent = `${number.format(figures.thresholds[least])} (${number.format(figures.costs[least])})`;
  find("#to-least").addEventListener("click", () => show(least));
}
show(present);
