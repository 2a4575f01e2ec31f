// Sets light or dark before the first paint; a file of its own because no script may stand in the page.
(() => {
  let wish = "auto";
  try {
    wish = localStorage.getItem("goodgate-color-scheme") ?? "auto";
  } catch {
    // Storage may be forbidden: the system's choice then.
  }
  const dark = wish === "dark" || (wish !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
