import gc

from loadtests.load.garbage import QuietCollector


def test_collections_are_rare_until_it_stops() -> None:
    before = gc.get_threshold()
    collector = QuietCollector()
    collector.start()
    collector.start()
    assert gc.get_threshold()[0] > before[0]
    assert gc.get_freeze_count() > 0
    collector.stop()
    collector.stop()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
