// A slider's value is where its left picture ends.
document.addEventListener("input", ({ target }) => {
  const figure = target.closest("figure.slider");
  if (figure) figure.style.setProperty("--at", `${target.value}%`);
});
