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
	page.on("console", (m) => check(!["error", "warning"].includes(m.type()) || m.text().includes("401"), `console at ${page.at}: ${m.text()}`));
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

