// Asks the gateway what Nix asks first; run by `helm test`.
const paths = ['/readyz', '/nix-cache-info'];
if (process.env.NARINFO) {
  paths.push(`/${process.env.NARINFO}.narinfo`);
}
for (const path of paths) {
  const answer = await fetch(process.env.GATEWAY + path, { signal: AbortSignal.timeout(30_000) });
  const body = await answer.text();
  console.log(`${answer.status} ${process.env.GATEWAY}${path}\n${body}`);
  if (answer.status !== 200 || (path === '/nix-cache-info' && !body.startsWith('StoreDir: /nix/store'))) {
    process.exitCode = 1;
  }
}
