# Parley's commands; `make help` lists them.
PYTHON ?= python3
# One more package index to take torch from, such as PyTorch's CPU index. Remembered with what it installed.
TORCH_INDEX_URL ?= $(shell cat .venv/.torch-index 2>/dev/null)
# Words for pytest in place of "every test, in two processes": make test ARGS="tests/unit -k thread"
ARGS ?= -n 2

VENV := .venv
BIN := $(VENV)/bin
EXTRAS := admin,cache,dev,embedded,mcp,pinyin,quantised,remote,sentry,slack,teams,wecom
STAMP := $(VENV)/.installed
WANTED = $$( { cat pyproject.toml constraints.txt; echo '$(EXTRAS) $(TORCH_INDEX_URL)'; } | cksum )
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup install run test browser lint types check clean

help: ## this list · 本列表
	@awk -F ' *##* *' '/^[a-z]+:.*##/ { sub(/:.*/, "", $$1); printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install Parley into .venv · 把 Parley 安装到 .venv
	@test "$(WANTED)" = "$$(cat $(STAMP) 2>/dev/null)" || $(MAKE) --no-print-directory install

install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Parley needs Python 3.11 or newer. Name one with PYTHON, for example: make run PYTHON=python3.11"; \
	    echo "Parley 需要 Python 3.11 或更新的版本。请用 PYTHON 指定,例如:make run PYTHON=python3.11"; \
	    exit 1; }
	@echo "Installing Parley into $(VENV); this takes some minutes, once. With a CPU build of torch: 0.4 GB to download,"
	@echo "1.8 GB on disk. With CUDA, which is what plain PyPI has for Linux: 2.9 GB to download, several GB on disk."
	@echo "正在把 Parley 安装到 $(VENV),需要几分钟,仅此一次。CPU 版 torch:下载 0.4 GB,占用磁盘 1.8 GB;"
	@echo "CUDA 版(PyPI 在 Linux 上的默认版本):下载 2.9 GB,占用磁盘数 GB。"
	@# A folder that was left half made, for want of Debian's python3-venv, is made anew.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@# pip keeps a torch that satisfies the version, whatever its build: another index means another build.
	@test '$(TORCH_INDEX_URL)' = "$$(cat $(VENV)/.torch-index 2>/dev/null)" || $(PIP) uninstall --yes torch
	$(PIP) install --constraint constraints.txt $(if $(TORCH_INDEX_URL),--extra-index-url '$(TORCH_INDEX_URL)') \
	    --editable '.[$(EXTRAS)]'
	@printf '%s' '$(TORCH_INDEX_URL)' > $(VENV)/.torch-index
	@echo "$(WANTED)" > $(STAMP)

run: setup ## start the assistant on http://127.0.0.1:8080 · 启动助手
	@$(BIN)/parley serve

test: setup browser ## run every test, or some: ARGS="tests/unit" · 运行全部或部分测试
	$(BIN)/python -m pytest $(ARGS)

CHROMIUM = command -v chromium || command -v chromium-browser || command -v google-chrome
browser:
	@$(CHROMIUM) >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	    && echo "Installing Debian's Chromium for the browser test. 正在为浏览器测试安装 Debian 的 Chromium。" \
	    && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
	        chromium fonts-noto-cjk; } \
	    || { echo "No Chromium was found, so the browser test is skipped. To run it: sudo apt-get install chromium fonts-noto-cjk"; \
	         echo "没有找到 Chromium,浏览器测试将被跳过。要运行它:sudo apt-get install chromium fonts-noto-cjk"; }

lint: setup ## style and import rules · 检查代码风格与导入规则
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache --no-logo

types: setup ## static types · 静态类型检查
	$(BIN)/python -m mypy

check: lint types test ## all three · 以上三项检查

clean: ## remove .venv and caches; var/ stays · 删除 .venv 与缓存,保留 var/
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
