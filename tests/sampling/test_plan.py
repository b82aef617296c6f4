"""Plans and edits as they are asked for: what goes together, and one line for what does not."""

import dataclasses

import jax
import pytest
from tiny import make_model, make_run, make_song

from drumjax.config.controls import Controls
from drumjax.sampling.edits import EditError
from drumjax.sampling.given_music import give
from drumjax.sampling.plan import ACCELERATOR_BLOCK, CPU_BLOCK, EditRequest, make_plan

SONG = make_song(0, 4)
CONTROLS = Controls(bars=4)
RUN = make_run(make_model())
GIVEN = give(SONG, RUN.codec)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"prompt": "a", "vary": "b"}, "--prompt and --vary do not go together"),
        ({"add": ("ride",)}, "--add needs --to"),
        ({"infill": "1-2"}, "--infill needs --to"),
        ({"to": "a"}, "--to goes with --add or --infill"),
        ({"to": "a", "humanize": "b"}, "--to goes with --add or --infill"),
    ],
)
def test_flags_that_do_not_go_together(flags, reason):
    with pytest.raises(EditError, match=reason):
        EditRequest(**flags)


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"prompt": "a"}, "continue"),
        ({"humanize": "a"}, "humanize"),
        ({"vary": "a"}, "vary"),
        ({"add": ("hat",), "to": "a"}, "add"),
        ({"infill": "2", "to": "a"}, "infill"),
        ({"infill": "2-3", "to": "a"}, "infill"),
    ],
)
def test_each_request_is_an_edit(flags, name):
    request = EditRequest(**flags)
    assert request.name == "a"
    assert request.make_edit(GIVEN, CONTROLS, RUN, 0).name == name


def test_without_an_edit_no_music_is_needed():
    assert EditRequest().music is None
    assert EditRequest().read(RUN, 0, None) is None


def test_a_prompt_is_followed_by_something():
    request = EditRequest(prompt="a.mid")
    assert request.count_bars(SONG, None, 8) == 12
    assert request.count_bars(SONG, 5, 8) == 5
    with pytest.raises(EditError, match=r"a.mid has 4 bars, .* --bars=12"):
        request.count_bars(SONG, 4, 8)


def test_other_music_has_the_bars_it_has():
    request = EditRequest(humanize="a.mid")
    assert request.count_bars(SONG, None, 8) == request.count_bars(SONG, 4, 8) == 4
    with pytest.raises(EditError, match=r"a.mid has 4 bars; --bars goes with --prompt"):
        request.count_bars(SONG, 8, 8)


def test_humanizing_has_a_spread_of_its_own():
    humanize = {"spread": 0.3, "guidance": 1.0}
    sample = dataclasses.replace(RUN.settings.sample, humanize=humanize, spread=0.9, guidance=2.0)
    run = dataclasses.replace(RUN, settings=dataclasses.replace(RUN.settings, sample=sample))

    def chosen(request=None, **asked):
        controls = make_plan(run, request, **asked).controls
        return controls.spread, controls.guidance

    assert chosen(EditRequest(humanize=SONG)) == (0.3, 1.0)
    assert chosen(EditRequest(humanize=SONG), spread=0.5) == (0.5, 1.0)
    assert chosen(EditRequest(vary=SONG)) == chosen() == (0.9, 2.0)
    given, varied = (
        make_plan(run, request).controls for request in (EditRequest(humanize=SONG), EditRequest(vary=SONG))
    )
    assert given == dataclasses.replace(varied, spread=0.3, guidance=1.0)
    assert varied == make_plan(run, bars=SONG.num_bars, bpm=SONG.tempo_bpm).controls


def test_what_a_model_learned_to_do_without_is_hidden_where_it_humanizes():
    train = dataclasses.replace(RUN.settings.train, history_dropout={"offset": 0.25, "velocity": 0.0})
    run = dataclasses.replace(RUN, settings=dataclasses.replace(RUN.settings, train=train))
    assert EditRequest(humanize="a.mid").make_edit(GIVEN, CONTROLS, run, 0).hidden == ("offset",)
    assert EditRequest(humanize="a.mid").make_edit(GIVEN, CONTROLS, RUN, 0).hidden == ()
    assert EditRequest(vary="a.mid").make_edit(GIVEN, CONTROLS, run, 0).hidden == ()


@pytest.mark.parametrize("infill", ["a", "-2", "2-b", "1.5"])
def test_bars_are_numbers(infill):
    with pytest.raises(EditError, match="such as 5-6"):
        EditRequest(infill=infill, to="a").make_edit(GIVEN, CONTROLS, RUN, 0)


def test_bars_that_do_not_fit_the_steps():
    with pytest.raises(EditError, match="do not fit"):
        EditRequest(vary="a").make_edit(give(make_song(0, 2, (7, 16)), RUN.codec), Controls(bars=2), RUN, 0)


def test_a_song_is_worked_on_in_its_own_tempo_and_metre_unless_asked_otherwise():
    song = dataclasses.replace(make_song(0, 4, (3, 4)), tempo_bpm=93.0)
    plan = make_plan(RUN, EditRequest(vary=song), seed=7)
    assert (plan.controls.bpm, plan.controls.time_signature, plan.controls.bars) == (93.0, "3/4", 4)
    assert (plan.seed, plan.edit.seed, plan.edit.name) == (7, 7, "vary")
    assert make_plan(RUN, EditRequest(vary=song), bpm=80.0).controls.bpm == 80.0
    assert make_plan(RUN, EditRequest(prompt=song)).controls.bars == 4 + RUN.settings.sample.bars


def test_a_mix_of_styles_is_planned_as_one():
    plan = make_plan(RUN, style={"rock": 0.75, "jazz": 0.25})
    assert plan.controls.style == plan.run.styles[-1] == "rock=0.75,jazz=0.25"
    assert RUN.styles == plan.run.styles[:-1]


def test_a_song_in_another_metre_is_counted_anew():
    """As a file is: 16 beats are six bars of 3/4, the last one not full."""
    plan = make_plan(RUN, EditRequest(humanize=SONG), time_signature="3/4")
    assert (plan.controls.bars, plan.controls.time_signature) == (6, "3/4")
    assert len(plan.edit.clamp) == 6 * 3 * 2


def test_devices_that_wait_for_steps_draw_many_pieces_at_once_as_far_as_there_is_memory(monkeypatch):
    sizes = {}
    for platform in ("cpu", "gpu", "tpu"):
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        sizes[platform] = [make_plan(RUN, bars=bars).block_size for bars in (1, 16, 32, 256)]
    assert sizes["cpu"] == [CPU_BLOCK] * 4
    assert sizes["gpu"] == sizes["tpu"] == [ACCELERATOR_BLOCK, ACCELERATOR_BLOCK, ACCELERATOR_BLOCK // 2, CPU_BLOCK]
