"""Which engines answer: in this process or on servers, one for each kind of question, with what stands in for it."""

from dataclasses import replace

from bot.config import Config, Settings
from bot.model import locate
from core.engine import REMOTE, EchoEngine, Fallback, Guarded, LocalEngine, RemoteEngine, Routed
from core.ports import Engine, Metrics, Model


def make_engine(config: Config, metrics: Metrics) -> Engine:
    """The engine the settings name, not yet loaded."""
    if config.settings.engine.backend == "echo":
        return EchoEngine()
    chat, code = _chains(config, metrics)
    if not code:
        return Fallback(chat, metrics)
    return Routed({"chat": Fallback(chat, metrics), "code": Fallback(code, metrics)}, default="chat")


def models_of(engine: Engine) -> tuple[Model, ...]:
    """The models that answer, the one for talking first."""
    return engine.models if isinstance(engine, Routed) else (engine.model,)


def asked_for(settings: Settings) -> str:
    """What is going to be loaded or asked, in the operator's own words."""
    engine = settings.engine
    match engine.backend:
        case "echo":
            return "echo"
        case "remote":
            return ", ".join(settings.remote.urls)
        case _:
            return " + ".join(filter(None, (engine.model, engine.coder)))


def remote_engine(config: Config, model: str, *, start_seconds: float = 120) -> RemoteEngine:
    """The servers of the settings, asked for `model`; they may take so long to come up."""
    settings = config.settings.remote
    able = replace(
        REMOTE,
        top_k=settings.top_k,
        repetition_penalty=settings.repetition_penalty,
        reasoning=settings.reasoning,
        tools=settings.tools,
    )
    return RemoteEngine(
        settings.urls,
        model,
        api_key=config.secrets.engine_key or "",
        context=settings.context,
        timeout=settings.request_seconds,
        silence=settings.silence_seconds,
        start_timeout=start_seconds,
        limit=settings.limit,
        capabilities=able,
    )


def _chains(config: Config, metrics: Metrics) -> tuple[list[Guarded], list[Guarded]]:
    """Whom to ask in which order, for talk and for code; nobody for code where one model answers everything."""
    engine, remote = config.settings.engine, config.settings.remote

    def local(name: str, model: str) -> list[Guarded]:
        return [Guarded(_local_engine(config, model), name, metrics)] if model else []

    def servers(name: str, model: str) -> list[Guarded]:
        return [Guarded(remote_engine(config, model), name, metrics)]

    there = servers("remote", remote.model) if remote.urls else []
    coder_there = servers("remote_coder", remote.coder) if remote.urls and remote.coder else []
    if engine.backend == "remote":
        return there, [*coder_there, *there] if coder_there else []
    here, coder_here = local("local", engine.model), local("local_coder", engine.coder)
    return [*here, *there], [*coder_here, *(coder_there or there), *here] if coder_here else []


def _local_engine(config: Config, model: str) -> LocalEngine:
    settings = config.settings.engine
    return LocalEngine(
        locate(config, model),
        device=settings.device,
        dtype=settings.dtype,
        quantisation=settings.quantisation,
        device_map=settings.device_map,
        context=settings.context,
        slots=settings.slots,
        max_waiting=settings.max_waiting,
        threads=settings.threads,
        share=0.5 if settings.coder else 1.0,  # of what is free while each of the two is loaded
        kept_mb=settings.kept_mb,
        kept_seconds=settings.kept_seconds,
        request_seconds=settings.request_seconds,
        step_seconds=settings.step_seconds,
    )
