// The keyboard: "/" to the search, "?" for help, the rest is told to Python. Typing is left alone.
const TEXT = /^(text|search|number|email|url|password|tel|date|time|)$/;

function typing(event) {
  return event.composedPath().some((node) => {
    if (!(node instanceof HTMLElement)) return false;
    if (node.isContentEditable || node.tagName === "TEXTAREA" || node.tagName === "SELECT") return true;
    if (node.tagName === "INPUT") return TEXT.test(node.type);
    return node.tagName === "CANVAS" || ["combobox", "listbox", "grid"].includes(node.getAttribute("role"));
  });
}

function search() {
  const seen = (box) => box.offsetParent !== null && !box.disabled;
  return [...document.querySelectorAll('[data-testid="stMain"] [data-testid="stTextInput"] input')].find(seen);
}

export default function ({ parentElement, setTriggerValue }) {
  const help = parentElement.querySelector("dialog");
  const toggle = () => (help.open ? help.close() : help.showModal());
  parentElement.querySelector(".hint").onclick = toggle;
  parentElement.querySelector(".close").onclick = () => help.close();
  const pressed = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.repeat || typing(event)) return;
    if (event.key === "?") {
      event.preventDefault();
      toggle();
    } else if (help.open) {
      return;
    } else if (event.key === "/") {
      const box = search();
      if (box) {
        event.preventDefault();
        box.focus();
        box.select();
      }
    } else if (event.key === "j" || event.key === "k") {
      setTriggerValue("pressed", event.key);
    } else if (event.key === "Enter" && document.activeElement === document.body) {
      setTriggerValue("pressed", event.key);
    }
  };
  // One listener, however often this is drawn again.
  if (window.stepwellKeys) document.removeEventListener("keydown", window.stepwellKeys);
  window.stepwellKeys = pressed;
  document.addEventListener("keydown", pressed);
  return () => {
    document.removeEventListener("keydown", pressed);
    if (window.stepwellKeys === pressed) window.stepwellKeys = null;
  };
}
