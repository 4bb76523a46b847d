from reports.experiment.sections.published import published


def test_the_study_s_results_come_with_their_source() -> None:
    found = published()
    assert "burtenshaw/openenv-scaling" in found.source
    assert not found.source.startswith("#")
    assert len(found.rows) == 11


def test_a_row_has_seconds_where_the_study_gives_them() -> None:
    uvicorn, longer, *_ = published().rows
    assert (uvicorn.infrastructure, uvicorn.max_batch, uvicorn.per_core) == ("local-uvicorn", 2048, 256)
    assert uvicorn.total_p99_s == 1.9458
    assert (longer.wait_s, longer.total_p99_s) == (5.0, None)
