"""The paper's Figure 1 over all seeds of a τ and width."""

from __future__ import annotations

from analysis.computed.trajectory import Course, compute_courses
from analysis.figures.curves import CurvesData, draw_curves, prepare
from analysis.study_data import Study


def courses_of(study: Study) -> dict[str, CurvesData]:
    """Compute one figure per τ and width."""
    return {
        # All digits of τ, so that no two courses share a file.
        f"course-tau{str(course.tau).removesuffix('.0')}-width{course.width}": compute_course(
            course
        )
        for course in compute_courses(study)
    }


def compute_course(course: Course) -> CurvesData:
    """Prepare the median over seeds, and their range where there are several."""
    middle, low, high = (
        prepare(table.reset_index()) for table in (course.median, course.low, course.high)
    )
    seeds = "1 seed" if course.seeds == 1 else f"median and range of {course.seeds} seeds"
    gates = middle["open_gates"]
    return CurvesData(
        label=f"τ={course.tau:g} width={course.width}",
        tau=course.tau,
        width=course.width,
        curve=middle,
        title=f"τ = {course.tau:g}, from {course.width} dimensions ({seeds})",
        alt=f"Squared error, gates, λ' and hit rate over {middle['step'].iloc[-1]} steps: "
        f"open gates go from {gates.iloc[0]:g} to {gates.iloc[-1]:g}.",
        band=None if course.seeds == 1 else (low, high),
    )


draw_course = draw_curves
