"""The operator's pages, under `/admin` on the shared server: the frame here, and one module with a template per page.

How to add a page, say of ratings:

1. `bot/admin/ratings.py`::

       from bot.admin.visit import Action, Done, Html, Page, Visit

       TEXTS = {                                   # English and Chinese; "nav" is its line of the menu
           "nav": ("Ratings", "评分"),
           "title": ("Ratings", "评分"),           # what base.html puts into <title>
           "said_lifted": ("It is lifted.", "已解除。"),
       }

       async def show(visit: Visit) -> Html:       # may raise NotFound, Forbidden(role), NotStored
           rows = await visit.house.store.overview...
           return visit.render("ratings.html", rows=rows)

       async def lift(visit: Visit) -> Done:       # POST; origin, session, role and CSRF token were checked before
           await visit.audit("limit-lifted", ...)  # first, and then:
           ...
           return Done("/admin/ratings", said="lifted")   # a 303; the page then shows its text "said_lifted"

       PAGES = (Page("ratings", "/admin/ratings", show, Role.VIEWER, TEXTS),
                Page("rating", "/admin/ratings/{id}", one, Role.VIEWER, OTHER_TEXTS, under="ratings"))
       ACTIONS = (Action("/admin/ratings/lift", lift, Role.OPERATOR, TEXTS),)

2. Its lines in `PAGES` and `ACTIONS` of `routes.py`: the menu has their order. A page without "nav" is in no menu.

3. `bot/admin/templates/ratings.html`::

       {% extends "base.html" %}
       {% from "macros.html" import csrf_field, figure, badge, pager, choices with context %}
       {% block content %}<h1>{{ t('title') }}</h1> ... {% endblock %}

   In it: `t(name, **facts)` (the page's texts, else those of texts.py), `visit`, `who`, `look`, `csrf`, `assets`, the
   filters `moment`, `number`, `percent`, `size`, the functions `span(timedelta or seconds)` and `ago(moment)`, and
   `visit.url(before=...)`, this address with another query. Everything is escaped; what plot.py draws is markup. Every
   form that posts holds `{{ csrf_field() }}`. `style.css` has what is needed: `.figures`, `.table` around a table (with
   `tabindex="0"`, as it scrolls), `.num`, `.badge`, `.plots`, `.choices`, `.inline`, `.note`, `.empty`, `.words`. A
   file of one's own in `static/` (css or js, no others) is linked in `{% block head %}` by `assets['live.js'].url`.
   The CSP allows no inline style and no inline script.

4. A fragment is a `Page` without "nav" whose template extends nothing; a script that fetches it finds status 401 where
   the session is over.

Of a `Visit`: `.house` (bot.app.House: store, metrics, manager, config, engine, adapters, registry, began_at), `.who`
(name, roles, `by` as the audit log writes it), `.look`, `.language`, `.query`, `.form`, `.match` (what stands in the
path's braces), `.may(role)`, `.need(role)`, `.t`, `.url`, `.render`, `await .audit(action, person=..., **details)`.

Roles: a viewer sees figures, an operator may act, a reader sees what people wrote; both see what a viewer does. Words
are shown to a reader alone: `visit.may(Role.READER)` decides, others read `t('words_left_out')` in their place. Each
opening of a conversation is audited before it is shown; `audit` raises NotStored where that can't be, so nothing is.

Plots: `plot.lines([Series(name, [(datetime, float | None), ...])], title=, x_label=, y_label=, none=, mark=, show=)`
and `plot.bars([Bar(label, [value, ...])], title=, x_label=, y_label=, none=, names=, show=)` give a whole
`<figure class="plot">`; `<div class="plots">` sets several beside each other.

In tests: `tests/admin.py` signs somebody in with the roles that are asked for.
"""
