// Which pane is seen where there is no room for all, and the way back that the browser's button takes.

const body = document.body;

export const view = () => body.dataset.view;

// show shows a pane. From the first that is not the list, the browser's back button leads to it.
export function show(pane) {
	if (pane !== "list" && !history.state?.inside) history.pushState({ inside: true }, "");
	body.dataset.view = pane;
}

// onBack runs back when the button is used while something else than the list is seen.
export function onBack(back) {
	addEventListener("popstate", () => { if (view() !== "list") back(); });
}
