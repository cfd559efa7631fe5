"""A race down a ravine: fair learning rates, a table, and a page that plays."""

import tempfile
from pathlib import Path

import passo
from passo.analysis.races import race, table, tell

field = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", {"name": "adam", "betas": (0.9, 0.99)}]
found = passo.descend("ravine kappa=30", field, start=(-4.0, 1.0), steps=200, tune=9)  # nine rates tried for each

print(table(race(found)))
print(tell(race(found)))
print("the first steps of adam:", found.racers[-1].points[:3].round(3).tolist())

page = passo.race_page(found).save(Path(tempfile.mkdtemp()) / "race.html")
print(f"{page.name}: {page.stat().st_size / 1000:.0f} kB, open it in any browser")
