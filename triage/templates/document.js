"use strict";
(() => {
  const root = document.documentElement, buttons = document.querySelectorAll("[data-lang]");
  const show = (language) => {
    root.lang = language;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.lang === language);
  };
  const given = new URLSearchParams(location.hash.slice(1)).get("lang");
  show(given === "ja" || given === "en" ? given : root.lang);
  for (const button of buttons) button.addEventListener("click", () => show(button.dataset.lang));
})();
