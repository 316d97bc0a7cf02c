/* Before the first paint: a theme chosen earlier wins over the system's. */
(() => {
  try {
    const chosen = localStorage.getItem("flashmm-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    /* storage is switched off: the system's theme holds */
  }
})();
