// The player as a widget in a notebook, as anywidget wants it: a module with a function `render`.

function notebookTheme() {
  // JupyterLab and Notebook, Visual Studio Code, Colab; elsewhere what the reader prefers.
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight !== undefined) return jpThemeLight === "false" ? "dark" : "light";
  if (vscodeThemeKind !== undefined) return vscodeThemeKind.endsWith("light") ? "light" : "dark";
  return document.documentElement.getAttribute("theme") ?? "";
}

export default {
  render({ model, el }) {
    const root = document.createElement("div");
    root.className = "wengert-player";
    root.tabIndex = -1;
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab takes keys before anyone else otherwise
    el.classList.add("wengert-widget"); // the scope of the style
    el.append(root);

    let player = mountPlayer(root, model.get("data"));
    const remount = () => {
      player.end();
      player = mountPlayer(root, model.get("data"));
    };
    model.on("change:data", remount);

    // Keys that the player has used would move on to the notebook, which has other uses for them.
    root.addEventListener("keydown", (event) => {
      player.onKey(event);
      if (event.defaultPrevented) event.stopPropagation();
    });

    const followTheme = () => (root.dataset.theme = notebookTheme());
    const themes = new MutationObserver(followTheme);
    for (const element of [document.body, document.documentElement]) themes.observe(element, { attributes: true });
    followTheme();

    return () => {
      themes.disconnect();
      model.off("change:data", remount);
      player.end();
      root.remove();
    };
  },
};
