import { check, contrast, login, named, narrow, open, row, shot } from "./kit.mjs";

// tab goes from one thing to the next, and returns what they are. Each shows that it has the focus.
async function tab(page, times, where) {
	const out = [];
	for (let i = 0; i < times; i++) {
		await page.keyboard.press("Tab");
		const at = await page.evaluate(() => {
			const e = document.activeElement;
			const shown = [e, e.closest("label")].filter(Boolean).some((x) => getComputedStyle(x).outlineStyle !== "none" && parseFloat(getComputedStyle(x).outlineWidth) >= 2);
			const pane = e.closest("header, #boxes, #list, #reader, dialog");
			return { what: e === document.body ? "" : e.id || e.getAttribute("aria-label") || e.textContent.slice(0, 20), shown: e === document.body || e.localName === "iframe" || shown, pane: pane?.id || pane?.localName };
		});
		check(at.shown, `the focus on ${at.what} does not show at ${page.at}: ${where}`);
		out.push(at);
	}
	return out;
}

async function all(width, height, scheme) {
	const page = await open(width, height, scheme);
	page.at = `${width} px, ${scheme}`;
	const small = width < 1100, phone = width <= 640;
	const look = async (where) => {
		await narrow(page, where);
		await contrast(page, where);
		await named(page, where);
		await shot(page, `look-${width}-${scheme}-${where}`);
	};
	await look("login");
	await login(page, "wrong");
	await page.waitForFunction(() => document.querySelector("#login-error").textContent);
	await look("login-refused");
	await login(page);
	await row(page, "Picnic").waitFor();
	await look("list");
	if (small) {
		await page.click("#menu");
		await look("boxes");
		await page.click("#menu");
	}
	await row(page, "Picnic").click();
	await page.waitForSelector("#letters .text");
	await page.locator("#letters details.quote summary").last().click();
	await look("conversation");
	if (!phone) {
		await page.locator("#search").focus();
		const stops = await tab(page, 14, "all"), panes = [...new Set(stops.map((s) => s.pane))];
		check(panes.join() === (small ? "header,list,reader" : "header,boxes,list,reader"), `the focus goes through ${panes} at ${page.at}`);
		check(stops.filter((s) => s.pane === "list").length === 3, `the list has ${stops.filter((s) => s.pane === "list").map((s) => s.what)} to stop at`);
	}
	await page.locator("#letters .top").last().focus();
	await page.keyboard.press("a");
	await page.waitForSelector("#compose[open]");
	await page.fill("#to", "x");
	await page.keyboard.press("Control+Enter");
	await page.waitForFunction(() => document.querySelector("#compose-error").textContent);
	await look("compose");
	await tab(page, 6, "compose");
	await page.click("#discard");
	await page.waitForSelector("#compose:not([open])", { state: "attached" });
	if (phone) await page.click("[aria-label='Back to the list']");
	await page.evaluate(() => document.activeElement.blur());
	await page.keyboard.press("?");
	await page.waitForSelector("#help[open]");
	await look("help");
	await page.keyboard.press("Escape");
	await page.click("#contacts-open");
	await page.waitForSelector("#contacts[open]");
	await look("contacts");
	await page.click("#contacts-close");
	await page.fill("#search", "nothing like it");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelector("#state").textContent.startsWith("Nothing was found"));
	await look("nothing");
	await page.context().close();
}

// Everywhere, by day and by night: no scroll bar across, no faint text, names for all, a focus that shows.
export async function look() {
	for (const [width, height] of [[360, 780], [768, 1024], [1280, 800]]) for (const scheme of ["light", "dark"]) await all(width, height, scheme);
}
