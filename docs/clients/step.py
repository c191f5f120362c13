# step.py begin NAME | end NAME [--failed] | status: tells `driftless run` of a step, from inside the container.
import os, pathlib, sys, time, uuid
box, name = pathlib.Path(os.environ.get("PROJECT", ".")) / ".driftless" / "steps", uuid.uuid4().hex
ask, answer, began = box / f"{name}.ask", box / f"{name}.answer", time.monotonic()
code, words = "0", f"driftless does not listen in {box}; going on"
try:
    if (box / "open").exists():
        code, words = "1", "driftless does not answer; going on"
        (box / f"{name}.new").write_text(" ".join(sys.argv[1:]) + "\n")
        (box / f"{name}.new").rename(ask)
        # A minute to be heard, five for the answer.
        while not answer.exists() and (box / "open").exists() and time.monotonic() - began < (60 if ask.exists() else 300):
            time.sleep(0.1)
        ask.unlink(missing_ok=True)
        code, _, words = answer.read_text().partition("\n")
        answer.unlink()
except OSError as error:
    words += f" ({error})"
print(words.strip())
sys.exit(int(code) if os.environ.get("STRICT") else 0)
