/** What this browser remembers of the page, where it may. */

const PREFIX = "ops.";

export function kept(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // a browser that remembers nothing
  }
}
