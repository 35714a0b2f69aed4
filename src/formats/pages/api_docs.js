const box = document.getElementById("search");
const none = document.getElementById("none");
const find = () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  document.querySelectorAll("[data-needles]").forEach((e) => {
    e.hidden = !words.every((w) => e.dataset.needles.includes(w));
    if (!e.hidden) shown += 1;
  });
  document.querySelectorAll("[data-group]").forEach((g) => { g.hidden = !g.querySelector("[data-needles]:not([hidden])"); });
  none.hidden = shown > 0;
};
box.addEventListener("input", find);
document.addEventListener("keydown", (e) => {
  if (e.key === "/" && document.activeElement !== box) { e.preventDefault(); box.focus(); }
});
find();
