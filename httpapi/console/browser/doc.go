// Package browser drives the console in a real browser. Its tests are a tier of their own: they run with HOLT_BROWSER=1 and Debian's chromium
// (scripts/browser installs it), and say so when they are left out. It has nothing for other packages.
package browser
