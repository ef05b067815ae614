import { check, contrast, login, open, row, shot, tell } from "./kit.mjs";

// The connection breaks: it is said, nothing is lost that is written, what came meanwhile is there when it is back.
export async function offline() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "First").click();
	await page.waitForSelector("#letters .text");
	await page.keyboard.press("u");
	await page.keyboard.press("c");
	await page.fill("#subject", "Written in the dark");
	page.mayFail = true; // the browser's console tells of connections that are refused
	await tell("cut");
	await page.waitForSelector("#live[data-state=off]");
	check(await page.evaluate(() => !document.querySelector("#banner").hidden && /^No connection/.test(document.querySelector("#banner-text").textContent)), "nothing is said of the connection");
	await page.fill("#text", "kept");
	await page.waitForFunction(() => document.querySelector("#compose-status").textContent.startsWith("Not saved: "));
	await page.keyboard.press("Escape");
	await page.waitForTimeout(200);
	check(await page.locator("#compose[open]").isVisible(), "what is not saved was closed");
	await tell("deliver?subject=Meanwhile");
	await tell("mend");
	await page.waitForSelector("#live[data-state=live]");
	await row(page, "Meanwhile").waitFor();
	await page.waitForFunction(() => document.querySelector("#compose-status").textContent.startsWith("Saved at"));
	check(await page.locator("#banner").isHidden(), "it is said still that there is no connection");
	await page.keyboard.press("Escape");
	await page.waitForSelector("#compose:not([open])", { state: "attached" });

	await tell("cut");
	await page.waitForSelector("#banner:not([hidden])");
	await contrast(page, "banner");
	await row(page, "First").focus();
	await page.keyboard.press("e");
	await page.waitForFunction(() => document.querySelector("#toast span").textContent === "That did not work: there is no connection to the server.");
	await contrast(page, "fault");
	await shot(page, "offline");
	check(await row(page, "First").isVisible(), "what was not filed is gone");
	await page.click("[data-box=Archive]");
	await page.waitForFunction(() => document.querySelector("#state").textContent === "This cannot be shown: there is no connection to the server.");
	check(await page.locator("#again").isVisible(), "there is no trying again");
	await tell("mend");
	await page.click("#banner-button");
	await page.waitForSelector("#live[data-state=live]");
	await page.click("#again");
	await page.waitForFunction(() => document.querySelector("#state").textContent === "Nothing is here.");
	await page.waitForFunction(() => document.querySelector("#news").textContent === "Connected again.");

	// The password is taken away: it asks to log in again, and does not ask the server for ever.
	await tell("lock");
	await tell("cut");
	await tell("mend");
	await page.waitForFunction(() => document.querySelector("#banner-text").textContent === "You have been logged out.");
	await Promise.all([page.waitForEvent("load"), page.click("#banner-button")]);
	check(await page.locator("#login").isVisible(), "there is no logging in again");
	await page.context().close();
}
