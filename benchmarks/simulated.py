"""Three devices, simulated: how busy `rsd` keeps them, and how much sooner than lock-step it ends.

    python benchmarks/simulated.py [--problems 500] [--in-flight 32 64 128 256 500] [--draws 5]

The paper's setting, a model a GPU (`devices.py` states all of it): `rsd`'s own runner and strategy
against the published program's phases over all problems at once. Nothing is measured on a machine:
the figures are the same each time, and as true as the model of a server and the draws of the
problems. No GPU is needed. Where nothing else is said, `rsd` does not look ahead, as with
`decoding.lookahead: auto` under such a load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from harness.common import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    argument_parser,
    new_figure,
    repeated_ratio,
    save_plot,
    say,
    write_result,
)
from harness.devices import A100, H100, Draws, Setting, Side, World, by_rsd, lock_step, servers
from harness.virtual_time import run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TARGET_BUSY = 0.9
TARGET_RATIO = 3.0
LOOKAHEAD = 2  # steps
SERVERS = {"draft": BLUE, "target": ORANGE, "prm": GREEN}
VARIATIONS = {
    "H100": H100,
    "40% of the peaks": replace(A100, achieved=0.4),
    "80% of the peaks": replace(A100, achieved=0.8),
    "iterations cost 3 ms more": replace(A100, overhead_s=4e-3),
    "requests take 50 ms": replace(A100, round_trip_s=50e-3),
    "half of the drafts kept": replace(A100, draws=Draws(kept=(4, 4))),
    "90% of the drafts kept": replace(A100, draws=Draws(kept=(9, 1))),
    "steps twice as long": replace(A100, draws=Draws(step=(80, 0.6, 5, 600))),
    "solutions alike in length": replace(A100, draws=Draws(steps=(11, 0.15, 2, 40))),
}


def published(world: World, setting: Setting, *, prm_cache: bool = False) -> Side:
    """The published phases, over all problems at once."""
    side = servers(world, setting, prm_cache=prm_cache)
    run(lock_step(side, world))
    return side


def ours(world: World, setting: Setting, in_flight: int, like: Side, *, lookahead: int = 0) -> Side:
    """`rsd`; its solutions are those of `like`."""
    side = servers(world, setting)
    run(by_rsd(side, world, in_flight, lookahead=lookahead))
    if side.responses != like.responses:
        raise AssertionError("rsd and lock-step came to different solutions")
    return side


def against(before: Side, after: Side) -> dict[str, Any]:
    """Figures of `after`, and how many times sooner it ended."""
    share, role = after.busiest
    return {
        "times_faster": before.makespan_s / after.makespan_s,
        "busiest": role,
        "busiest_share": share,
        **after.figures(),
    }


def longest_alone(world: World, setting: Setting) -> float:
    """Seconds of the problem that takes longest with all devices to itself: nothing can end all
    problems sooner. Looked for among those with the most tokens."""

    def tokens(number: int) -> int:
        problem = world.problems[number]
        rewritten = (t for t, kept in zip(problem.target, problem.kept, strict=True) if not kept)
        return sum(problem.draft) + 4 * sum(rewritten)  # the target is some four times as slow

    longest = sorted(range(len(world.problems)), key=tokens)[-5:]
    alone = []
    for number in longest:
        side = servers(world, setting)
        run(by_rsd(side, world, 1, numbers=[number]))
        alone.append(side.makespan_s)
    return max(alone)


def pair(problems: int, setting: Setting, in_flight: int) -> tuple[Side, Side]:
    """Lock-step and `rsd` in one setting."""
    world = World(problems, setting.draws)
    slow = published(world, setting)
    return slow, ours(world, setting, in_flight, slow)


def other_draws(problems: int, in_flight: int, draws: int) -> dict[str, Any]:
    """The same with other problems from the same distributions."""
    pairs = [
        pair(problems, replace(A100, draws=Draws(seed=seed)), in_flight) for seed in range(draws)
    ]
    ratio = repeated_ratio([s.makespan_s for s, _ in pairs], [f.makespan_s for _, f in pairs])
    shares = [fast.busiest[0] for _, fast in pairs]
    say(f"{draws} draws: {ratio} times as fast, busiest {min(shares):.3f} to {max(shares):.3f}")
    return {
        "sets_of_problems": draws,
        "times_faster": ratio._asdict(),
        "least_busiest_share": min(shares),
        "busiest_shares": shares,
    }


def variations(problems: int, in_flight: int) -> dict[str, Any]:
    """The same with other assumptions."""
    found = {}
    for name, setting in VARIATIONS.items():
        slow, fast = pair(problems, setting, in_flight)
        found[name] = {"lock_step_s": slow.makespan_s, **against(slow, fast)}
        say(f"{name}: {found[name]['times_faster']:.2f} times as fast")
    return found


def measure(problems: int, in_flight: Sequence[int], draws: int) -> tuple[dict[str, Any], Figure]:
    """All figures, and their plot."""
    world = World(problems, A100.draws)
    slow = published(world, A100)
    sides = {number: ours(world, A100, number, slow) for number in in_flight}
    ahead = ours(world, A100, max(in_flight), slow, lookahead=LOOKAHEAD)
    alone = longest_alone(world, A100)
    figures = {
        "targets": {"busiest_share": TARGET_BUSY, "times_faster": TARGET_RATIO},
        "setting": asdict(A100),
        "drawn": world.figures(),
        "lock_step": slow.figures(),
        "lock_step_with_cached_rewards": published(world, A100, prm_cache=True).figures(),
        "rsd_by_problems_in_flight": {n: against(slow, side) for n, side in sides.items()},
        "rsd_with_lookahead": {"steps_ahead": LOOKAHEAD, **against(slow, ahead)},
        "longest_solution_alone_s": alone,
        "other_draws": other_draws(problems, max(in_flight), draws),
        "variations": variations(problems, max(in_flight)),
    }
    return figures, plot(slow, sides, alone)


def table(figures: dict[str, Any]) -> str:
    """The makespans and busy shares, in Markdown."""
    lines = [
        "| | makespan, s | times as fast | draft busy | target busy | PRM busy |",
        "|---|---|---|---|---|---|",
    ]
    base = figures["lock_step"]["makespan_s"]
    rows = {
        "lock-step": figures["lock_step"],
        "lock-step, rewards cached": figures["lock_step_with_cached_rewards"],
        **{f"rsd, {n} in flight": f for n, f in figures["rsd_by_problems_in_flight"].items()},
        f"the same, {LOOKAHEAD} steps ahead": figures["rsd_with_lookahead"],
    }
    for name, row in rows.items():
        shares = [f"{row['servers'][role]['busy_share']:.0%}" for role in SERVERS]
        cells = [name, f"{row['makespan_s']:.1f}", f"{base / row['makespan_s']:.2f}", *shares]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(slow: Side, sides: dict[int, Side], alone: float) -> Figure:
    """When each device works, both ways on one time axis; and how the makespan falls."""
    figure, (top, bottom) = new_figure(rows=2, size=(8.0, 6.0))
    fast = sides[max(sides)]
    for row, (side, role) in enumerate((side, role) for side in (slow, fast) for role in SERVERS):
        spans = [(start, end - start) for start, end in side.engines[role].spans]
        top.broken_barh(spans, (-row - 0.4, 0.8), facecolors=SERVERS[role])
        share = side.engines[role].counters.busy_s / side.makespan_s
        top.text(side.makespan_s, -row, f" {share:.0%} busy", va="center", color=GREY)
    labels = [f"{name}: {role}" for name in ("lock-step", "rsd") for role in SERVERS]
    top.set_yticks([-row for row in range(len(labels))], labels=labels)
    top.set(xlabel="time, s", title="When each device works", xlim=(0, 1.1 * slow.makespan_s))
    top.grid(axis="y", visible=False)
    bottom.plot(list(sides), [s.makespan_s for s in sides.values()], "o-", color=BLUE, label="rsd")
    bottom.axhline(slow.makespan_s, color=ORANGE, label="lock-step")
    bottom.axhline(
        slow.makespan_s / TARGET_RATIO, color=GREY, linestyle="--", label="target, a third of it"
    )
    bottom.axhline(alone, color=GREY, linestyle=":", label="the longest solution alone")
    bottom.set(xlabel="problems in flight", ylabel="time for all problems, s", ylim=(0, None))
    bottom.set_xlim(0, None)
    bottom.legend(ncols=2, loc="center right")
    return figure


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[32, 64, 128, 256, 500])
    parser.add_argument("--draws", type=int, default=5, help="sets of problems, at least 2")
    options = parser.parse_args()
    figures, figure = measure(options.problems, options.in_flight, options.draws)
    print(table(figures))
    write_result("simulated", figures)
    save_plot("simulated", figure)


if __name__ == "__main__":
    main()
