import { browser, check, evil, login, open, row, url } from "./kit.mjs";

// Every attack is opened; nothing happens but that its text is there.
export async function attacks() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "attack: script").waitFor();
	const subjects = (await page.locator("#messages .subject").allTextContents()).filter((s) => s.startsWith("attack: "));
	check(subjects.length >= 20, `${subjects.length} attacks`);
	for (const subject of subjects) {
		page.at = subject;
		await page.locator("#messages button", { has: page.getByText(subject, { exact: true }) }).click();
		await page.waitForFunction((s) => document.querySelector("#reader h2")?.textContent === s && document.querySelector("#reader iframe"), subject);
		const frame = await (await page.waitForSelector("#reader iframe")).contentFrame();
		await frame.waitForLoadState("load");
		await frame.waitForSelector("text=hello");
		const found = await frame.evaluate(() => ({ origin: self.origin, script: document.scripts.length, forms: document.forms.length, frames: frames.length,
			links: [...document.links].map((a) => [a.protocol, a.target, a.rel, a.textContent, a.nextSibling?.textContent ?? "", a.href]) }));
		check(found.origin === "null" && found.script + found.forms + found.frames === 0, `${subject}: ${JSON.stringify(found)}`);
		for (const [protocol, target, rel, text, after, href] of found.links) {
			check(["http:", "https:", "mailto:"].includes(protocol) && target === "_blank" && rel.includes("noopener noreferrer"), `${subject}: a link ${href}`);
			check(text === href || text + "/" === href || after.includes(href), `${subject}: ${text} leads to ${href} and does not say so`);
		}
		check(page.url() === `${url}/`, `${subject}: the page went to ${page.url()}`);
	}
	check(page.evil.length === 0, `a server of the attacker's was asked: ${page.evil}`);
	check(page.loads === 0, "the page was loaded again");
	check(page.context().pages().length === 1, "a window opened");

	// A name that says that it is another's address, and one that is written backwards.
	const liar = row(page, "From your bank");
	check((await liar.locator(".from").textContent()).includes("eve@example.org"), `who lies is shown as ${await liar.locator(".from").textContent()}`);
	await liar.click();
	await page.waitForFunction(() => document.querySelector("#reader h2").textContent === "From your bank");
	check((await page.textContent("#letters .files")).includes("billfdp.exe"), `a name that is turned round is shown as ${await page.textContent("#letters .files")}`);

	page.at = "pictures that were asked for";
	await page.locator("#messages button", { has: page.getByText("attack: tracking", { exact: true }) }).click();
	await page.click("[data-action=images]");
	await page.waitForRequest((r) => r.url().startsWith(evil), { timeout: 5000 }).catch(() => {});
	check(page.evil.length > 0 && page.evil.every((r) => r.startsWith("image ")), `pictures that were asked for: ${page.evil}`);

	// A page of another origin, in the same browser.
	const answers = [];
	const forger = await page.context().newPage();
	forger.on("response", (r) => { if (r.url().startsWith(url)) answers.push([r.request().method(), r.url(), r.status()]); });
	await forger.goto(`${evil}/forge`);
	await forger.waitForFunction(() => document.title.split(" ").length >= 5, null, { timeout: 5000 }).catch(() => {});
	const title = await forger.title();
	check(!/READ|OPENED/.test(title) && title.includes("refused"), `another origin's page: ${title}`);
	check(answers.length >= 3 && answers.every(([method, , status]) => method === "GET" && status === 200 || status >= 400), `another origin's page: ${JSON.stringify(answers)}`);
	await page.context().close();
}
