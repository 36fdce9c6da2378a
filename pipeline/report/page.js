"use strict";
// Which layers are drawn, from which confidence on, and which shape belongs to which line of text.

const controls = document.getElementById("controls");
const slider = document.getElementById("confidence-slider");

function drawLayer(box) {
  for (const layer of document.querySelectorAll("[data-layer]")) {
    if (layer.dataset.layer === box.dataset.toggles) layer.classList.toggle("off", !box.checked);
  }
}

function drawSure() {
  const least = Number(slider.value);
  document.getElementById("least").textContent = least.toFixed(2);
  for (const one of document.querySelectorAll("[data-confidence]")) {
    one.classList.toggle("unsure", Number(one.dataset.confidence) < least);
  }
  for (const number of document.querySelectorAll("[data-count]")) {
    const lines = [...number.closest("details").querySelectorAll("li")];
    const sure = lines.filter((line) => !line.classList.contains("unsure")).length;
    number.textContent = sure === lines.length ? String(sure) : `${sure} of ${lines.length}`;
  }
}

function light(event) {
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  const line = event.target.closest("[data-shape]");
  if (line && event.type !== "mouseout") document.getElementById(line.dataset.shape).classList.add("lit");
}

if (controls) {
  controls.addEventListener("submit", (event) => event.preventDefault());
  for (const box of controls.querySelectorAll("[data-toggles]")) {
    box.addEventListener("change", () => drawLayer(box));
    drawLayer(box);
  }
  slider.addEventListener("input", drawSure);
  drawSure();
  for (const type of ["mouseover", "mouseout", "focusin"]) document.addEventListener(type, light);
}
