// What all suites use: pages that note every fault, and what is looked at on each of them.
import { chromium } from "playwright-core";

export const [url, executablePath, evil] = process.argv.slice(2);
export const faults = [];
export const check = (ok, what) => { if (!ok) faults.push(what); };

export const browser = await chromium.launch({
	executablePath,
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

export async function open(width, height, colorScheme) {
	const page = await (await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true })).newPage();
	page.setDefaultTimeout(20_000);
	page.at = `${width} px`;
	page.evil = [];
	page.loads = 0;
	page.on("console", (m) => check(page.mayFail || !["error", "warning"].includes(m.type()) || m.text().includes("401"), `console at ${page.at}: ${m.text()}`));
	page.on("pageerror", (e) => check(false, `script at ${page.at}: ${e.message}`));
	page.on("dialog", (d) => { check(false, `a dialog at ${page.at}: ${d.message()}`); d.dismiss(); });
	page.on("request", (r) => {
		if (r.url().startsWith(evil)) page.evil.push(`${r.resourceType()} ${r.url()}`);
		else check(/^(data|blob):/.test(r.url()) || r.url().startsWith(url), `request at ${page.at} to ${r.url()}`);
	});
	await page.goto(url);
	page.on("load", () => page.loads++);
	return page;
}

export async function login(page, password = "sécret") {
	await page.fill("#name", "alice@example.com");
	await page.fill("#password", password);
	await page.keyboard.press("Enter");
}

export const narrow = async (page, where) => check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `a scroll bar at ${page.at}: ${where}`);
export const shot = async (page, name) => { if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` }); };
export const row = (page, subject) => page.locator("#messages button", { has: page.locator(".subject", { hasText: subject }) }).first();

// Everything that can be used has a name.
export async function named(page, where) {
	const cdp = await page.context().newCDPSession(page);
	const { nodes } = await cdp.send("Accessibility.getFullAXTree");
	for (const n of nodes) {
		if (n.ignored || !["button", "checkbox", "textbox", "searchbox", "link", "combobox", "Iframe", "dialog", "navigation", "region", "image", "list"].includes(n.role?.value)) continue;
		if (["list", "image"].includes(n.role.value) && !n.name) continue;
		const own = n.role.value !== "list";
		check(!own || n.name?.value, `${n.role.value} without a name at ${page.at}: ${where}`);
	}
	await cdp.detach();
}

// All text that is seen stands out from what is behind it, by 4.5 to 1 (WCAG 2.2 §1.4.3), where it is not disabled.
export async function contrast(page, where) {
	const faint = await page.evaluate(() => {
		const rgba = (s) => { const [r, g, b, a = 1] = s.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
		const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
		const light = ([r, g, b]) => [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
		const ratio = (x, y) => { const [a, b] = [light(x), light(y)].sort((p, q) => q - p); return (a + 0.05) / (b + 0.05); };
		const behind = (e) => {
			const layers = [];
			for (let x = e; x; x = x.parentElement) {
				layers.push(rgba(getComputedStyle(x).backgroundColor));
				if (layers.at(-1)[3] === 1) break;
			}
			return layers.reverse().reduce((under, l) => over(l, under), [255, 255, 255, 1]);
		};
		const opacity = (e) => { let o = 1; for (let x = e; x; x = x.parentElement) o *= Number(getComputedStyle(x).opacity); return o; };
		const dialog = document.querySelector("dialog[open]");
		const out = [];
		let seen = 0;
		const look = (e, style, what) => {
			const back = behind(e), [r, g, b, a] = rgba(style.color), shown = over([r, g, b, a * opacity(e) * Number(style.opacity ?? 1)], back), n = ratio(shown, back);
			seen++;
			if (n < 4.5) out.push(`${what} (${n.toFixed(2)})`);
		};
		for (const e of document.querySelectorAll("body *")) {
			if (dialog && !dialog.contains(e) || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest(".unseen, :disabled, option, svg")) continue;
			const text = [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data.trim()).join("");
			if (text) look(e, getComputedStyle(e), `${e.localName}#${e.id}.${e.className} ${text.slice(0, 30)}`);
			if (e.placeholder && !e.value) look(e, getComputedStyle(e, "::placeholder"), `placeholder ${e.placeholder}`);
			if (e.matches("input:not([type=checkbox]), textarea") && e.value) look(e, getComputedStyle(e), `value of ${e.id}`);
		}
		return { out, seen };
	});
	check(faint.seen > 2, `there is no text at ${page.at}: ${where}`);
	check(faint.out.length === 0, `too faint at ${page.at}: ${where}: ${faint.out}`);
}

// requests are what the page sends over its WebSocket from now on.
export function requests(page) {
	const sent = [];
	page.on("websocket", (ws) => ws.on("framesent", ({ payload }) => { const m = JSON.parse(payload); if (m["@type"] === "Request") sent.push(m); }));
	return sent;
}

export const methods = (request) => request.methodCalls.map(([name]) => name).join(" ");

// tell asks the test to do something behind the page's back.
export async function tell(what) {
	const r = await fetch(`${evil}/${what}`);
	if (!r.ok) throw new Error(`${what}: ${r.status}`);
}
