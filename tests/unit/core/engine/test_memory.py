"""How much memory is free, as the machine and its control groups say."""

from core.engine.memory import free_memory


def put(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def machine(root, kilobytes: int = 4096):
    put(root, "proc/meminfo", f"MemTotal: 9999999 kB\nMemAvailable:    {kilobytes} kB\n")
    return root


def test_what_is_free_is_what_the_machine_says():
    assert 0 < free_memory() < 2**44


def test_without_a_limit_the_machine_decides(tmp_path):
    put(machine(tmp_path), "sys/fs/cgroup/memory.max", "max\n")
    put(tmp_path, "sys/fs/cgroup/memory.current", "1\n")
    assert free_memory(tmp_path) == 4096 * 1024


def test_a_container_has_its_share_alone_and_files_it_read_do_not_count(tmp_path):
    put(machine(tmp_path), "sys/fs/cgroup/memory.max", "3000000\n")
    put(tmp_path, "sys/fs/cgroup/memory.current", "1000000\n")
    put(tmp_path, "sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 400000\nactive_file 7\n")
    assert free_memory(tmp_path) == 2_400_000


def test_the_tightest_of_the_groups_around_a_process_counts(tmp_path):
    put(machine(tmp_path), "proc/self/cgroup", "0::/service/parley\n")
    for group, limit in (("service/parley", "max"), ("service", "2000000")):
        put(tmp_path, f"sys/fs/cgroup/{group}/memory.max", limit)
        put(tmp_path, f"sys/fs/cgroup/{group}/memory.current", "500000")
    assert free_memory(tmp_path) == 1_500_000


def test_the_older_kind_of_groups_is_read_too(tmp_path):
    put(machine(tmp_path), "sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000")
    put(tmp_path, "sys/fs/cgroup/memory/memory.usage_in_bytes", "1200000")
    assert free_memory(tmp_path) == 0


def test_a_machine_that_says_nothing_is_taken_as_a_whole(tmp_path):
    assert free_memory(tmp_path) > 2**20
