// The what-if threshold.
if (find("#slider")) {
  const plot = find("#plot");
  const slider = find("#slider");
  const rising = (scores) => Float64Array.from(scores).sort();
  const scoresOf = (accept) => rising(report.results.filter(accept).map((result) => result.score));
  const heldOut = rising(report.detector.calibration_scores);
  const all = scoresOf(() => true);
  const good = scoresOf((result) => result.label === "good");
  const defective = scoresOf((result) => result.label !== undefined && result.label !== "good");
  const { low, high, log, threshold } = plot.dataset;
  const stretch = log === "1" ? Math.log : (value) => value;
  const unstretch = log === "1" ? Math.exp : (value) => value;
  const from = stretch(Number(low));
  const to = stretch(Number(high));
  const line = find("#what-if-line");
  const beyond = find("#beyond");

  const above = (scores, limit) => {
    let left = 0;
    let right = scores.length;
    while (left < right) {
      const middle = (left + right) >> 1;
      if (scores[middle] > limit) right = middle;
      else left = middle + 1;
    }
    return scores.length - left;
  };
  const answer = (limit) => {
    const parts = [];
    const share = (scores) => `${above(scores, limit)} of ${scores.length}`;
    const images = (scores) => (scores.length === 1 ? "image" : "images");
    if (all.length) parts.push(`${share(all)} inspected ${images(all)} anomalous`);
    if (defective.length) {
      const nMissed = defective.length - above(defective, limit);
      parts.push(`${share(defective)} defective ${images(defective)} found, ${nMissed} missed`);
    }
    if (good.length) parts.push(`false alarms on ${share(good)} inspected good ${images(good)}`);
    if (heldOut.length) {
      const rate = ((100 * above(heldOut, limit)) / heldOut.length).toFixed(1);
      parts.push(`${share(heldOut)} held-out normal ${images(heldOut)} above it (${rate} %)`);
    }
    return parts.join("; ");
  };
  const show = (limit) => {
    const place = (100 * (stretch(limit) - from)) / (to - from);
    const isMoved = limit !== Number(threshold);
    line.setAttribute("x1", `${place}%`);
    line.setAttribute("x2", `${place}%`);
    line.classList.toggle("moved", isMoved);
    beyond.setAttribute("x", `${place}%`);
    beyond.setAttribute("width", `${100 - place}%`);
    slider.value = place;
    slider.setAttribute("aria-valuetext", limit.toPrecision(4));
    find("#what-if-reset").disabled = !isMoved;
    const lead = isMoved ? "If the threshold were" : "At the detector's threshold";
    find("#what-if-answer").textContent = `${lead} ${Number(limit.toPrecision(4))}: ${answer(limit)}.`;
  };
  const showPlace = (place) => show(unstretch(from + (Math.min(100, Math.max(0, place)) / 100) * (to - from)));
  const drag = (event) => {
    const box = plot.getBoundingClientRect();
    showPlace((100 * (event.clientX - box.left)) / box.width);
  };
  slider.addEventListener("input", () => showPlace(Number(slider.value)));
  find("#what-if-reset").addEventListener("click", () => show(Number(threshold)));
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    drag(event);
  });
  plot.addEventListener("pointermove", (event) => event.buttons && drag(event));
  show(Number(threshold));
}
