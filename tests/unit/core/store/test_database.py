"""Addresses of databases, and failures told without what was to be stored."""

from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError

from core.store.database import conninfo, normal_url, not_stored


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_address_is_understood(scheme: str):
    assert normal_url(f"{scheme}://u:p@h:5432/d?sslmode=require") == "postgresql+psycopg://u:p@h:5432/d?sslmode=require"
    assert conninfo(f"{scheme}://u:p%40@h:5432/d?sslmode=require") == "postgresql://u:p%40@h:5432/d?sslmode=require"


def test_a_failure_names_its_kind_and_no_content():
    error = psycopg.errors.UniqueViolation("Key (body)=(canary) already exists")
    assert "canary" not in str(not_stored(error))
    assert "UniqueViolation, 23505" in str(not_stored(error))
    assert "23505" in str(not_stored(DBAPIError("INSERT canary", {"body": "canary"}, error)))
    assert "canary" not in str(not_stored(DBAPIError("INSERT canary", {"body": "canary"}, error)))


@pytest.mark.parametrize("word", ["a b", "a+b", "a%b", "a@b:c/d?e&f=g", "密 码"])
def test_whatever_an_address_says_reaches_libpq_as_it_was_meant(word: str):
    said = quote(word, safe="")
    place = conninfo_to_dict(conninfo(f"postgresql://ann:{said}@/parley?host=/run/db&options={said}"))
    assert (place["password"], place["options"], place["host"]) == (word, word, "/run/db")
