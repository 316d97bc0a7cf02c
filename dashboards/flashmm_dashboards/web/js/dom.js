/** The document, by text only: nothing that came over the wire is ever parsed as markup. */

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text with a sign in place of whatever acts unseen: control characters, and marks that turn the order of others. */
function seen(text) {
  return String(text).replace(UNSEEN, "\ufffd");
}

/** The element with an id; it must exist. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found;
}

/** A new element: classes, attributes, then children (strings become text). */
export function el(tag, { className = "", ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : name === "title" ? seen(value) : value);
  }
  made.append(...children.map((child) => (child instanceof Node ? child : seen(child))));
  return made;
}

/** Set text, touching the document only when it changes. */
export function setText(element, text) {
  const shown = seen(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/** Show or hide. */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}
