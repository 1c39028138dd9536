"""What the command line says to the operator, in English and Chinese; the terminal's locale chooses."""

_TEXTS: dict[str, tuple[str, str]] = {
    "config_unreadable": (
        "{file} cannot be read ({error}). Check its path and that this account may read it.",
        "无法读取 {file}（{error}）。请检查路径，以及当前账号是否有读取权限。",
    ),
    "config_yaml": (
        "{where}: this is not valid YAML ({problem}). Check the indentation and the colons around this line.",
        "{where}：不是有效的 YAML（{problem}）。请检查这一行附近的缩进和冒号。",
    ),
    "config_twice": (
        "{where}: `{key}` is set twice, on lines {first} and {second}. Keep one, with all that belongs below it.",
        "{where}：`{key}` 设置了两次，在第 {first} 行和第 {second} 行。请合并到一处，删除另一处。",
    ),
    "config_unknown": ("{where}: `{key}` is not a setting. {remedy}", "{where}：没有 `{key}` 这个设置。{remedy}"),
    "config_value": ("{where}: `{key}` {problem}", "{where}：`{key}` {problem}"),
    "config_did_you_mean": ("Did you mean `{name}`?", "是不是想写 `{name}`？"),
    "config_choices": ("Here one can set: {names}.", "这里可以设置：{names}。"),
    "config_no_secrets": (
        "Secrets do not stand in app.yaml: set them in the environment ({names}) or in a file named by NAME_FILE.",
        "密钥和口令不写在 app.yaml 里：请用环境变量（{names}）或用 NAME_FILE 指定的文件提供。",
    ),
    "config_int": ("must be a whole number, such as 8.", "必须是整数，例如 8。"),
    "config_number": ("must be a number, such as 0.5.", "必须是数字，例如 0.5。"),
    "config_bool": ("must be true or false.", "必须是 true 或 false。"),
    "config_string": ("must be a text that is not empty.", "必须是非空文本。"),
    "config_quotes": ("must be text: put it in quotes.", "必须是文本：请加引号。"),
    "config_list": (
        'must be a list: [a, b] in app.yaml, JSON such as \'["a", "b"]\' in a variable.',
        '必须是列表：在 app.yaml 中写作 [a, b]，在环境变量中写作 JSON，例如 \'["a", "b"]\'。',
    ),
    "config_path": ("must be the path of a folder.", "必须是文件夹的路径。"),
    "config_device": (
        "must be auto, cpu, mps, cuda, or cuda:1 for the second GPU.",
        "必须是 auto、cpu、mps、cuda，或用 cuda:1 表示第二块 GPU。",
    ),
    "config_host": (
        "must hold host names alone, such as chat.example.com; `{name}` is empty or has an https:// or a path.",
        "只能写主机名，例如 chat.example.com；“{name}”为空，或带有 https:// 或路径。",
    ),
    "config_origin": (
        "must hold origins as browsers send them, such as https://chat.example.com; {name} lacks https:// in front, or "
        "must go without a path.",
        "必须是浏览器发送的来源，例如 https://chat.example.com；{name} 缺少开头的 https://，或带有多余的路径。",
    ),
    "config_server": (
        "must hold addresses of model servers, such as http://gpu-1:8000/v1, and {name} does not have that form: it "
        "begins with http:// or https://, and has no user, password or query. A key comes from PARLEY_ENGINE_KEY.",
        "必须是模型服务器的地址，例如 http://gpu-1:8000/v1，而 {name} 不符合这种形式：要以 http:// 或 https:// 开头，"
        "不带用户名、口令或查询参数。密钥由 PARLEY_ENGINE_KEY 提供。",
    ),
    "config_no_servers": (
        "engine.backend is remote, and remote.urls names no server. Name at least one, such as http://gpu-1:8000/v1, "
        "or set engine.backend to local.",
        "engine.backend 是 remote，但 remote.urls 中没有服务器。请至少写一个，例如 http://gpu-1:8000/v1，"
        "或把 engine.backend 设为 local。",
    ),
    "config_json": (
        "{names}: in a variable a list, a map or a whole section is written as JSON, for example "
        "PARLEY_CONSOLE__ALLOWED_HOSTS='[\"chat.example.com\"]'.",
        "{names}：环境变量中的列表、映射或整个小节要写成 JSON，例如 "
        "PARLEY_CONSOLE__ALLOWED_HOSTS='[\"chat.example.com\"]'。",
    ),
    "config_key": (
        "{where}: `{key}` is not the name of a setting; names are words.",
        "{where}：`{key}` 不是设置的名称；名称应为单词。",
    ),
    "config_open_proxy": (
        "{names} would let others reach the console through a proxy without signing in. Add console.tokens "
        "(`parley token NAME` makes one), or take these names out.",
        "{names} 会让其他人不登录就能通过代理访问控制台。请添加 console.tokens（`parley token NAME` 可生成），"
        "或删去这些名称。",
    ),
    "config_missing": ("is needed, and is not set.", "必须设置，但没有设置。"),
    "config_too_short": ("must not be empty.", "不能为空。"),
    "config_section": ("must be a section with settings of its own below it.", "必须是一个小节，设置写在它的下面。"),
    "config_moderation_key": (
        "moderation.openai needs PARLEY_MODERATION_KEY, the key that the moderation service asks for.",
        "moderation.openai 需要 PARLEY_MODERATION_KEY，即审核服务所要求的密钥。",
    ),
    "config_one_of": ("must be one of {choices}.", "必须是以下之一：{choices}。"),
    "config_ge": ("must be {bound:g} or more.", "必须大于或等于 {bound:g}。"),
    "config_le": ("must be {bound:g} or less.", "必须小于或等于 {bound:g}。"),
    "config_gt": ("must be more than {bound:g}.", "必须大于 {bound:g}。"),
    "config_lt": ("must be less than {bound:g}.", "必须小于 {bound:g}。"),
    "config_token": (
        "{name} must be the SHA-256 of a token, 64 hexadecimal digits. `parley token {name}` makes both.",
        "{name} 必须是令牌的 SHA-256，即 64 位十六进制数。运行 `parley token {name}` 可以同时生成两者。",
    ),
    "config_secret_file": (
        "{name}_FILE names {file}, which cannot be read ({error}). Check its path and that this account may read it.",
        "{name}_FILE 指向 {file}，但无法读取（{error}）。请检查路径，以及当前账号是否有读取权限。",
    ),
    "config_tls_pair": (
        "needs both: the certificate and its key.",
        "证书（certificate）和私钥（key）必须同时设置。",
    ),
    "config_network": (
        "must hold networks such as 10.0.0.0/24, or single addresses, and {name} is neither.",
        "必须是网段（例如 10.0.0.0/24）或单个地址，而 {name} 两者都不是。",
    ),
    "config_sentry_package": (
        "PARLEY_SENTRY_DSN is set, and the package that reports errors is not installed: "
        "pip install -c constraints.txt -e '.[sentry]'.",
        "已设置 PARLEY_SENTRY_DSN，但上报错误所需的软件包没有安装：pip install -c constraints.txt -e '.[sentry]'。",
    ),
    "config_oidc_incomplete": (
        "admin.oidc.issuer is set, and admin.oidc.client_id or admin.url is not. The provider needs both: whom it "
        "vouches to, and the address it sends people back to, admin.url with /admin/oidc.",
        "已设置 admin.oidc.issuer，但缺少 admin.oidc.client_id 或 admin.url。登录服务需要两者：应用的标识，"
        "以及登录后返回的地址，即 admin.url 加 /admin/oidc。",
    ),
    "config_oidc_roles": (
        "admin.oidc.roles names no group, so nobody could do anything: say which group has which roles, such as "
        "{{parley-operators: [operator]}}.",
        "admin.oidc.roles 中没有任何用户组，因此谁也无法操作：请写明哪个组有哪些角色，例如 "
        "{{parley-operators: [operator]}}。",
    ),
    "config_oidc_package": (
        "admin.oidc.issuer is set, and the package that signs people in is not installed: "
        "pip install -c constraints.txt -e '.[admin]'.",
        "已设置 admin.oidc.issuer，但登录所需的软件包没有安装：pip install -c constraints.txt -e '.[admin]'。",
    ),
    "admin_name": (
        "A name has {most} characters at most, and is not empty.",
        "名称不能为空，最多 {most} 个字符。",
    ),
    "admin_password_length": (
        "The password must have {least} to {most} characters. --make-password makes one.",
        "密码长度必须为 {least} 到 {most} 个字符。可用 --make-password 生成。",
    ),
    "admin_taken": (
        "{name} is there already. `parley admin roles` and `parley admin password` change what they have.",
        "{name} 已存在。可用 `parley admin roles` 和 `parley admin password` 更改。",
    ),
    "admin_unknown": (
        "There is nobody called {name}: `parley admin list` says who there is. Whoever signs in by OpenID Connect has "
        "the roles of their groups.",
        "没有名为 {name} 的管理者：`parley admin list` 会列出所有人。通过 OpenID Connect 登录的人使用其用户组的角色。",
    ),
    "admin_nobody": (
        "Nobody may sign in with a password yet. `parley admin add NAME --role operator` lets the first one in.",
        "目前没有人可以用密码登录。`parley admin add NAME --role operator` 添加第一位。",
    ),
    "admin_session": (
        "signed in: {name} ({origin}), {roles}, since {since} UTC",
        "已登录：{name}（{origin}），{roles}，自 {since} UTC",
    ),
    "admin_added": (
        "{name} may sign in now: {url}/admin",
        "{name} 现在可以登录：{url}/admin",
    ),
    "admin_changed": (
        "It holds for {name} from now on. Sessions that it ended: {count}.",
        "已对 {name} 生效。因此结束的登录：{count}。",
    ),
    "admin_removed": (
        "{name} is let in no more. Sessions that it ended: {count}.",
        "{name} 已被删除。因此结束的登录：{count}。",
    ),
    "admin_signed_out": (
        "Sessions of {name} that were ended: {count}.",
        "已结束 {name} 的登录：{count}。",
    ),
    "admin_ask_password": ("Password", "密码"),
    "admin_ask_again": ("The same again", "再次输入"),
    "config_sentry_dsn": (
        "PARLEY_SENTRY_DSN is no address of a Sentry project; it looks like https://KEY@sentry.example.com/1.",
        "PARLEY_SENTRY_DSN 不是 Sentry 项目的地址，其形式如 https://KEY@sentry.example.com/1。",
    ),
    "tls_unreadable": (
        "{file} cannot be read ({error}). Check server.tls, and that this account may read the file.",
        "无法读取 {file}（{error}）。请检查 server.tls，以及当前账号是否有读取权限。",
    ),
    "tls_encrypted": (
        "{key} asks for a password. Store the key without one, in a file that only this account can read.",
        "{key} 设有口令。请保存为不带口令的私钥，并使该文件只有当前账号可读。",
    ),
    "tls_mismatch": (
        "{key} is not the key of {certificate}: name the two that were made together.",
        "{key} 不是 {certificate} 的私钥：请指定同时生成的一对。",
    ),
    "tls_no_pair": (
        "{certificate} and {key} do not hold a certificate and a key in PEM form.",
        "{certificate} 和 {key} 中没有 PEM 格式的证书和私钥。",
    ),
    "tls_expired": (
        "{certificate} has expired: renew it.",
        "{certificate} 已过期，请更新证书。",
    ),
    "tls_not_yet": (
        "{certificate} is not valid yet: check it, and this machine's clock.",
        "{certificate} 尚未生效：请检查证书和本机时钟。",
    ),
    "tls_unusable": (
        "{certificate} is refused by those who connect: {problem}.",
        "{certificate} 会被连接方拒绝：{problem}。",
    ),
    "config_missing_parley_keys": (
        "production needs PARLEY_KEYS: without it nothing can be sealed. `parley key` makes one; keep a safe copy.",
        "生产模式需要 PARLEY_KEYS：没有它就无法加密存储。运行 `parley key` 生成一个，并妥善保存副本。",
    ),
    "config_missing_database_url": (
        "production needs DATABASE_URL: postgresql://user:password@host/name. The embedded one is for trying out.",
        "生产模式需要 DATABASE_URL：postgresql://user:password@host/name。内置数据库只适合单机使用。",
    ),
    "config_open_door": (
        "server.host is {host}: others could reach the console without signing in. Add console.tokens "
        "(`parley token NAME` makes one), or bind 127.0.0.1.",
        "server.host 是 {host}：其他人不登录就能访问控制台。请添加 console.tokens（`parley token NAME` 可生成），"
        "或绑定 127.0.0.1。",
    ),
    "config_public_url": (
        "must be the address by which this server is reached from outside, such as https://parley.example.com, and "
        "{name} does not have that form: it begins with https://, and has no user, password or query.",
        "必须是从外部访问本服务器所用的地址，例如 https://parley.example.com，而 {name} 不符合这种形式："
        "要以 https:// 开头，不带用户名、口令或查询参数。",
    ),
    "config_public_url_path": (
        "must be the address of the server alone: {base}. Parley adds {path} itself.",
        "只写服务器的地址：{base}。{path} 由 Parley 自己加上。",
    ),
    "config_command": (
        "must be a slash command such as /parley, and {name} cannot be one: it begins with /, and up to 31 small "
        "letters, digits, - and _ follow.",
        "必须是斜杠命令，例如 /parley，而 {name} 不能用作命令：要以 / 开头，后面是不超过 31 个小写字母、数字、- 或 _。",
    ),
    "config_api_url": (
        "must be a web address such as the one that app.yaml came with; {name} is none.",
        "必须是网址，例如 app.yaml 原有的那个；{name} 不是。",
    ),
    "config_socket_url": (
        "must be a ws:// or wss:// address such as the one that app.yaml came with; {name} is none.",
        "必须是 ws:// 或 wss:// 地址，例如 app.yaml 原有的那个；{name} 不是。",
    ),
    "config_plain_url": (
        "must begin with {scheme}://, for a secret is sent there; {name} does not.",
        "必须以 {scheme}:// 开头，因为会向它发送密钥；{name} 不是。",
    ),
    "config_slack_secret": (
        "Slack is switched on, but neither PARLEY_SLACK_APP_TOKEN (Socket Mode) nor PARLEY_SLACK_SIGNING_SECRET (HTTP) "
        "is set. Both stand under Basic Information of your app on api.slack.com/apps; docs/slack.md has every step.",
        "已启用 Slack，但既没有设置 PARLEY_SLACK_APP_TOKEN（Socket Mode），"
        "也没有设置 PARLEY_SLACK_SIGNING_SECRET（HTTP）。"
        "两者都在 api.slack.com/apps 上应用的 Basic Information 页面；完整步骤见 docs/slack.zh.md。",
    ),
    "config_slack_token": (
        "Slack is switched on, but there is no token to answer with. Set PARLEY_SLACK_BOT_TOKEN (xoxb-…, under "
        "OAuth & Permissions); or, for several workspaces, slack.client_id and PARLEY_SLACK_CLIENT_SECRET.",
        "已启用 Slack，但没有用来回答的令牌。请设置 PARLEY_SLACK_BOT_TOKEN（xoxb-…，在 OAuth & Permissions "
        "中）；如需服务多个工作区，请设置 slack.client_id 和 PARLEY_SLACK_CLIENT_SECRET。",
    ),
    "config_slack_workspaces": (
        "Workspaces may install the app themselves, so access.slack.workspaces must name those that may: else anybody "
        "could use this machine. Add their ids, such as [T0123456].",
        "工作区可以自行安装应用，因此 access.slack.workspaces 必须列出允许的工作区，否则任何人都能使用这台机器。"
        "请填写它们的 ID，例如 [T0123456]。",
    ),
    "slack_no_url": (
        "slack.public_url is not set, and the manifest tells Slack the https address of this server. Set it in "
        "app.yaml, or ask for Socket Mode with --socket, which needs none.",
        "没有设置 slack.public_url，而应用清单要告诉 Slack 本服务器的 https 地址。请在 app.yaml 中设置，"
        "或用 --socket 选择不需要地址的 Socket Mode。",
    ),
    "slack_no_install_url": (
        "slack.public_url is not set, and whoever installs the app comes back from Slack to this server, with Socket "
        "Mode too. Set it in app.yaml to the https address by which browsers reach it.",
        "没有设置 slack.public_url，而安装应用的用户要从 Slack 回到本服务器，使用 Socket Mode 时也是如此。"
        "请在 app.yaml 中设为浏览器访问本服务器所用的 https 地址。",
    ),
    "config_slack_package": (
        "The Slack channel needs a package that is not installed: pip install -c constraints.txt -e '.[slack]'.",
        "Slack 接入需要的软件包没有安装：pip install -c constraints.txt -e '.[slack]'。",
    ),
    "config_guid": (
        "must be an id such as 12345678-1234-1234-1234-123456789abc, as the Azure portal shows it; {name} is none.",
        "必须是 Azure 门户中显示的 ID，例如 12345678-1234-1234-1234-123456789abc；{name} 不是。",
    ),
    "config_teams_app": (
        "teams.enabled is true, and without teams.app_id nobody could tell Teams' requests from forged ones. Set it to "
        "the Microsoft App ID of your Azure Bot; docs/teams.md has every step. To try Parley with the Agents "
        "Playground on this machine alone, set teams.dev: true instead.",
        "teams.enabled 为 true，但没有 teams.app_id，无法分辨请求是否来自 Teams。请填写 Azure Bot 的 Microsoft App ID；"
        "完整步骤见 docs/teams.zh.md。如果只想在本机用 Agents Playground 试用，请改为设置 teams.dev: true。",
    ),
    "config_teams_tenant": (
        "teams.app_id is set, and teams.tenant_id is not: a bot belongs to one tenant. Copy it from the overview page "
        "of your Azure Bot.",
        "设置了 teams.app_id，但没有设置 teams.tenant_id：机器人属于一个租户。请从 Azure Bot 的概览页面复制。",
    ),
    "config_teams_dev": (
        "teams.dev is true and teams.app_id is empty, so nobody is verified; then server.host must be 127.0.0.1.",
        "teams.dev 为 true 且 teams.app_id 为空，任何请求都不会被验证；此时 server.host 必须是 127.0.0.1。",
    ),
    "config_cache_package": (
        "cache.near needs packages that are not installed. Say: pip install -c constraints.txt -e '.[cache]'",
        "cache.near 需要尚未安装的软件包。请执行：pip install -c constraints.txt -e '.[cache]'",
    ),
    "config_plugin_secrets": (
        'PARLEY_PLUGIN_SECRETS must be JSON such as {{"weather": {{"key": "..."}}}}: for each plugin its secrets by '
        "name.",
        'PARLEY_PLUGIN_SECRETS 必须是 JSON，例如 {{"weather": {{"key": "..."}}}}：按插件列出各自的密钥。',
    ),
    "config_mcp_server": (
        "needs either `command`, for a server that is started here, or `url`, for one that runs elsewhere.",
        "需要 `command`（在本机启动的服务器）或 `url`（在别处运行的服务器），二者选一。",
    ),
    "config_mcp_name": (
        "names a server {name!r}: a name here is a small letter, then up to 31 small letters, digits, `-` and `_`, "
        "for its tools' names begin with it.",
        "中的服务器名 {name!r} 不可用：名称必须以小写字母开头，后面最多 31 个小写字母、数字、`-` 或 `_`，"
        "因为它的工具名以此开头。",
    ),
    "config_mcp_allow": (
        'names no tool: list those that may be used, such as [search], or write "*" for all of them.',
        '没有写任何工具：请列出可用的工具，例如 [search]，或用 "*" 表示全部。',
    ),
    "config_mcp_package": (
        "plugins.mcp needs a package that is not installed. Say: pip install -c constraints.txt -e '.[mcp]'",
        "plugins.mcp 需要尚未安装的软件包。请执行：pip install -c constraints.txt -e '.[mcp]'",
    ),
    "config_teams_package": (
        "The Teams channel needs a package that is not installed: pip install -c constraints.txt -e '.[teams]'.",
        "Teams 频道需要的软件包没有安装：pip install -c constraints.txt -e '.[teams]'。",
    ),
    "config_wecom_bot_id": (
        "wecom.bot.enabled is true, and wecom.bot.id is not set. Copy the Bot ID from the bot's page in WeCom "
        "(智能机器人, API mode) into app.yaml; docs/wecom.md has every step.",
        "wecom.bot.enabled 为 true，但没有设置 wecom.bot.id。请从企业微信“智能机器人”的 API 模式页面复制 Bot ID 到 "
        "app.yaml；完整步骤见 docs/wecom.zh.md。",
    ),
    "config_wecom_bot_secret": (
        "wecom.bot.enabled is true, but neither PARLEY_WECOM_BOT_SECRET (long connection) nor both of "
        "PARLEY_WECOM_BOT_TOKEN and PARLEY_WECOM_BOT_AES_KEY (URL callback) are set. They stand on the bot's page in "
        "WeCom; docs/wecom.md has every step.",
        "wecom.bot.enabled 为 true，但既没有设置 PARLEY_WECOM_BOT_SECRET（长连接），也没有同时设置 "
        "PARLEY_WECOM_BOT_TOKEN 和 PARLEY_WECOM_BOT_AES_KEY（URL 回调）。它们都在企业微信的机器人页面上；"
        "完整步骤见 docs/wecom.zh.md。",
    ),
    "config_wecom_bot_key": (
        "PARLEY_WECOM_BOT_AES_KEY is not an EncodingAESKey, which has 43 letters and digits. Copy it once more from "
        "the bot's page in WeCom.",
        "PARLEY_WECOM_BOT_AES_KEY 不是 EncodingAESKey（43 位字母和数字）。请从企业微信的机器人页面重新复制。",
    ),
    "config_wecom_app_id": (
        "wecom.app.enabled is true, and wecom.app.corp_id or wecom.app.agent_id is not set. The first stands under "
        "我的企业 (My Company), the second on the app's page in the admin console; docs/wecom.md has every step.",
        "wecom.app.enabled 为 true，但没有设置 wecom.app.corp_id 或 wecom.app.agent_id。前者在管理后台“我的企业”中，"
        "后者在应用详情页；完整步骤见 docs/wecom.zh.md。",
    ),
    "config_wecom_app_secret": (
        "wecom.app.enabled is true, and PARLEY_WECOM_APP_SECRET, PARLEY_WECOM_APP_TOKEN and PARLEY_WECOM_APP_AES_KEY "
        "are not all set. The first is the app's Secret, the others stand under 接收消息 (Receive Messages) on its "
        "page.",
        "wecom.app.enabled 为 true，但没有设置全部三项：PARLEY_WECOM_APP_SECRET（应用的 Secret），"
        "以及应用详情页“接收消息”中的 PARLEY_WECOM_APP_TOKEN 和 PARLEY_WECOM_APP_AES_KEY。",
    ),
    "config_wecom_app_key": (
        "PARLEY_WECOM_APP_AES_KEY is not an EncodingAESKey, which has 43 letters and digits. Copy it once more from "
        "接收消息 (Receive Messages) on the app's page.",
        "PARLEY_WECOM_APP_AES_KEY 不是 EncodingAESKey（43 位字母和数字）。请从应用详情页“接收消息”中重新复制。",
    ),
    "config_wecom_package": (
        "The WeCom channel needs a package that is not installed: pip install -c constraints.txt -e '.[wecom]'.",
        "企业微信频道需要的软件包没有安装：pip install -c constraints.txt -e '.[wecom]'。",
    ),
    "teams_no_app": (
        "teams.app_id is not set, and the package names the bot by it. Copy the Microsoft App ID from Configuration of "
        "your Azure Bot into app.yaml; docs/teams.md has every step.",
        "没有设置 teams.app_id，而应用包要写明是哪个机器人。请从 Azure Bot 的“配置”（Configuration）页面复制 "
        "Microsoft App ID 到 app.yaml；完整步骤见 docs/teams.zh.md。",
    ),
    "teams_no_url": (
        "teams.public_url is not set, and Teams wants a web page about each app. Set it in app.yaml to the https "
        "address of this server, such as https://parley.example.com.",
        "没有设置 teams.public_url，而 Teams 要求每个应用有一个网页地址。请在 app.yaml 中设为本服务器的 https 地址，"
        "例如 https://parley.example.com。",
    ),
    "teams_packed": (
        "The app package is {file}. Upload it in Teams under Apps, Manage your apps, Upload an app; or, for the whole "
        "organisation, in the Teams admin centre under Teams apps, Manage apps.",
        "应用包在 {file}。请在 Teams 的“应用 → 管理你的应用 → 上传应用”中上传；"
        "要供整个组织使用，请在 Teams 管理中心的“Teams 应用 → 管理应用”中上传。",
    ),
    "teams_not_written": (
        "{file} cannot be written ({error}). Name another place with --out.",
        "无法写入 {file}（{error}）。请用 --out 指定其他位置。",
    ),
    "config_open_metrics": (
        "server.metrics_host is {host}: others could read the metrics. Set PARLEY_METRICS_TOKEN, or use 127.0.0.1.",
        "server.metrics_host 是 {host}：其他人可以读取指标。请设置 PARLEY_METRICS_TOKEN，或使用 127.0.0.1。",
    ),
    "serve_database": ("Starting the embedded database", "正在启动内置数据库"),
    "serve_migrate": ("Bringing the database up to date", "正在更新数据库结构"),
    "serve_engine": ("Loading the model {model}", "正在加载模型 {model}"),
    "serve_servers": ("Asking the model servers {model}", "正在连接模型服务器 {model}"),
    "serve_ready": (
        "Parley answers on {url} with {model}. Stop it with Ctrl+C.",
        "Parley 已就绪：{url}，使用模型 {model}。按 Ctrl+C 停止。",
    ),
    "serve_slack": ("Slack over HTTP at {url}", "Slack 通过 HTTP 发送到 {url}"),
    "serve_wecom": (
        "WeCom calls the AI bot back at {url}: this is the URL on the bot's page",
        "企业微信智能机器人的回调地址是 {url}：请填入机器人页面的 URL",
    ),
    "serve_wecom_app": (
        "WeCom calls the app back at {url}: this is the URL under 接收消息 (Receive Messages) on the app's page",
        "企业微信自建应用的回调地址是 {url}：请填入应用详情页“接收消息”的 URL",
    ),
    "serve_address": (
        "{host}:{port} is in use by another program. Stop that one, or choose another port: "
        "PARLEY_SERVER__PORT=8081 parley serve",
        "{host}:{port} 已被其他程序占用。请停止该程序，或换一个端口：PARLEY_SERVER__PORT=8081 parley serve",
    ),
    "serve_no_address": (
        "This machine has no address {host}. Name one that it has as the host.",
        "本机没有 {host} 这个地址。请改为本机已有的地址。",
    ),
    "serve_closed_port": (
        "This account may not bind {host}:{port}; ports below 1024 belong to root. Choose another: "
        "PARLEY_SERVER__PORT=8081 parley serve",
        "当前账号无权绑定 {host}:{port}；1024 以下的端口只有 root 可以使用。请换一个："
        "PARLEY_SERVER__PORT=8081 parley serve",
    ),
    "closed_path": (
        "{path} cannot be opened by this account; start as the account that made it, or name another data_dir.",
        "当前账号无法打开 {path}；请用创建它的账号启动，或指定另一个 data_dir。",
    ),
    "serve_development_key": (
        "PARLEY_KEYS is not set, so a development key in {file} seals what is stored. Keep a copy: without it nothing "
        "can be read again. For production set PARLEY_KEYS (`parley key` makes one).",
        "未设置 PARLEY_KEYS，因此用 {file} 中的开发密钥加密存储内容。请保留副本：没有它，任何内容都无法再读取。"
        "生产环境请设置 PARLEY_KEYS（`parley key` 可生成）。",
    ),
    "serve_stopping": (
        "Stopping: {count} answers may still end. What has not within {seconds:.0f} s goes to another process, or to "
        "the next start. Press Ctrl+C again to leave at once.",
        "正在停止：还有 {count} 个回答等待完成。{seconds:.0f} 秒内未完成的，由其他进程或下次启动后继续。"
        "再按一次 Ctrl+C 立即退出。",
    ),
    "serve_ended": ("Ended; everything is closed.", "已停止，全部关闭。"),
    "failed": ("That did not work: {problem}", "未能完成：{problem}"),
    "failed_database": (
        "the database did not do what it was asked {kind}. It may be away, full, or kept busy: `parley check` tells. "
        "Then call this again.",
        "数据库没有完成请求{kind}。它可能无法连接、已满或繁忙，可用 `parley check` 检查，然后重新运行此命令。",
    ),
    "check_settings": ("settings", "设置"),
    "check_settings_file": ("read from {file}", "读取自 {file}"),
    "check_settings_none": (
        "no app.yaml here, so the defaults apply. Copy the one of the checkout to change something.",
        "这里没有 app.yaml，使用默认值。需要修改时请复制代码目录中的那一份。",
    ),
    "check_variable": ("{name} sets nothing; check its spelling.", "{name} 没有对应的设置；请检查拼写。"),
    "check_keys": ("sealing keys", "加密密钥"),
    "check_keys_ok": (
        "{count} in PARLEY_KEYS; number {primary} seals what is new",
        "{count} 个密钥，新内容由 {primary} 号加密",
    ),
    "check_keys_development": (
        "development key {file}; set PARLEY_KEYS for production (`parley key` makes one)",
        "开发密钥 {file}；生产环境请设置 PARLEY_KEYS（`parley key` 可生成）",
    ),
    "check_keys_later": ("none yet: the first start makes one in {file}", "还没有：首次启动时会生成在 {file}"),
    "check_database": ("database", "数据库"),
    "check_database_ok": ("reachable, schema {version}", "可以连接，结构版本 {version}"),
    "check_database_old": (
        "reachable, but its schema is {version} and this release needs {head}: run `parley db upgrade`.",
        "可以连接，但结构版本是 {version}，本版本需要 {head}：请运行 `parley db upgrade`。",
    ),
    "check_database_newer": (
        "reachable. Its schema {version} is of a later release, and serves this one ({head}) too.",
        "可以连接。结构版本 {version} 属于更新的版本，本版本（{head}）也可使用。",
    ),
    "check_database_away": (
        "not reachable. Check DATABASE_URL, that the server runs, and that this machine may connect to it.",
        "无法连接。请检查 DATABASE_URL、数据库服务是否在运行，以及本机是否有权连接。",
    ),
    "check_database_embedded": ("embedded, kept in {folder}", "内置数据库，保存在 {folder}"),
    "check_database_no_package": (
        "DATABASE_URL is not set and the embedded database is not installed: pip install 'parley[embedded]'.",
        "未设置 DATABASE_URL，也没有安装内置数据库：pip install 'parley[embedded]'。",
    ),
    "check_engine": ("model", "模型"),
    "check_engine_demo": (
        "the bundled demo model. For real answers set engine.model in app.yaml to a DeepSeek model (README, “Load a "
        "real model”).",
        "内置演示模型。要获得真正的回答，请在 app.yaml 中把 engine.model 设为 DeepSeek 模型"
        "（见 README“加载真正的模型”）。",
    ),
    "check_engine_folder": ("{model} is a folder with a model in it", "{model} 是一个包含模型的文件夹"),
    "check_engine_memory": (
        "{model}: {disk} on disk, needs {need} of memory ({int8} with int8, {nf4} with nf4); {free} are free",
        "{model}：占用磁盘 {disk}，需要内存 {need}（用 int8 为 {int8}，用 nf4 为 {nf4}）；可用内存 {free}",
    ),
    "check_engine_hub": (
        "{model} must already be in this machine's model cache; it is not downloaded at start.",
        "{model} 必须已经在本机的模型缓存中；启动时不会下载。",
    ),
    "check_engine_missing": (
        "the folder {model} has no config.json. Check engine.model in app.yaml.",
        "文件夹 {model} 中没有 config.json。请检查 app.yaml 中的 engine.model。",
    ),
    "check_coder": ("coder model", "代码模型"),
    "check_models": ("both models", "两个模型"),
    "check_both": ("together they need {need} of memory; {free} are free", "共需内存 {need}；可用内存 {free}"),
    "check_both_short": (
        "together they need {need} of memory, and {free} are free here: without a GPU that holds them, choose a "
        "smaller model, engine.quantisation: nf4, a smaller engine.context, or one model for everything.",
        "共需内存 {need}，而本机可用内存为 {free}：如果没有能容纳它们的 GPU，请选择更小的模型、"
        "engine.quantisation: nf4、更小的 engine.context，或只用一个模型。",
    ),
    "check_remote": ("model servers", "模型服务器"),
    "check_remote_ok": ("{urls} answers as {model}", "{urls} 以 {model} 回答"),
    "check_remote_spare": (
        "{urls} stands in with {model} where the model here does not answer",
        "本机模型没有回答时，由 {urls} 以 {model} 代为回答",
    ),
    "check_remote_no_spare": (
        "none: where the model here does not answer, people are told to ask again (remote.urls names servers)",
        "没有：本机模型没有回答时，会请对方稍后再问（可在 remote.urls 中指定服务器）",
    ),
    "check_engine_echo": ("echo: it only says the question back", "echo：只会重复问题"),
    "check_console": ("console channel", "控制台频道"),
    "check_console_ok": (
        "on {url}, access tokens: {count}",
        "在 {url}，{count} 个访问令牌",
    ),
    "check_console_off": ("switched off (console.enabled)", "已关闭（console.enabled）"),
    "check_tls": ("transport", "传输"),
    "check_tls_ok": (
        "TLS 1.3 for {names}, valid until {until}",
        "TLS 1.3，证书用于 {names}，有效期至 {until}",
    ),
    "check_tls_soon": (
        "The certificate for {names} is valid until {until} only: renew it, the running server takes the new files.",
        "{names} 的证书有效期仅到 {until}：请更新，运行中的服务会自动使用新文件。",
    ),
    "check_tls_open_key": (
        "Every account of this machine can read {key}; say: chmod o= {key}",
        "本机所有账号都能读取 {key}，请运行：chmod o= {key}",
    ),
    "check_tls_proxies": (
        "plain HTTP, behind proxies in {networks}",
        "明文 HTTP，位于代理之后（{networks}）",
    ),
    "check_tls_here": ("plain HTTP, which does not leave this machine", "明文 HTTP，不会离开本机"),
    "check_tls_plain": (
        "{host} is reached over plain HTTP. Set server.tls, or server.trusted_proxies for a proxy that speaks HTTPS.",
        "{host} 通过明文 HTTP 提供服务。请设置 server.tls；若前面有提供 HTTPS 的代理，请设置 server.trusted_proxies。",
    ),
    "check_errors": ("error reports", "错误上报"),
    "check_errors_on": ("go to {host}, without anybody's words", "发送到 {host}，不含任何人的文字"),
    "check_errors_off": (
        "are not sent anywhere; PARLEY_SENTRY_DSN names a Sentry project to send them to",
        "不发送到任何地方；可用 PARLEY_SENTRY_DSN 指定接收错误的 Sentry 项目",
    ),
    "check_port": ("address", "地址"),
    "check_port_free": ("{host}:{port} is free", "{host}:{port} 可用"),
    "check_port_taken": (
        "{host}:{port} is in use: by a running Parley, or choose another server.port.",
        "{host}:{port} 已被占用：可能 Parley 正在运行，否则请换一个 server.port。",
    ),
    "check_moderation": ("moderation", "审核"),
    "check_moderation_ok": ("{count} rules", "{count} 条规则"),
    "check_moderation_off": (
        "off: what is asked and answered is not screened (moderation.enabled).",
        "已关闭：提问和回答都不经过审核（moderation.enabled）。",
    ),
    "check_plugins": ("plugins", "插件"),
    "check_plugins_ok": ("{names}", "{names}"),
    "check_slack_off": (
        "off; docs/slack.md goes from nothing to the first answer",
        "未启用；docs/slack.zh.md 说明从零到第一个回答的步骤",
    ),
    "check_wecom_off": (
        "off; docs/wecom.md goes from nothing to the first answer",
        "未启用；docs/wecom.zh.md 说明从零到第一个回答的步骤",
    ),
    "check_teams_off": (
        "off; docs/teams.md goes from nothing to the first answer",
        "未启用；docs/teams.zh.md 说明从零到第一个回答的步骤",
    ),
    "check_legend": ("✓ in order  • worth knowing  ✗ to be put right", "✓ 正常  • 提示  ✗ 需要处理"),
    "check_fine": ("Nothing is known to be missing.", "没有发现缺少什么。"),
    "check_fault": ("1 thing needs attention, marked ✗ above.", "有 1 项需要处理，见上面的 ✗。"),
    "check_faults": ("{count} things need attention, marked ✗ above.", "有 {count} 项需要处理，见上面的 ✗。"),
    "db_upgraded": ("The database is at schema {version}.", "数据库结构版本为 {version}。"),
    "chat_hello": (
        "You talk to {model}. Ctrl+C stops an answer, at the prompt it leaves; /help says what I can do.",
        "您正在和 {model} 对话。Ctrl+C 停止回答，在提示符处则退出；/help 查看我能做什么。",
    ),
    "chat_unreachable": (
        "No Parley answers on {url}. Start it with `make run` or `parley serve` in another terminal.",
        "{url} 上没有 Parley。请在另一个终端运行 `make run` 或 `parley serve`。",
    ),
    "chat_refused": ("{url} answered: {problem}", "{url} 的回应：{problem}"),
    "chat_confirm": (
        "Type /confirm within an hour to say yes. Anything else just goes on, and nothing is done meanwhile.",
        "一小时内输入 /confirm 表示同意；输入其他内容则继续对话，在此期间不会执行。",
    ),
    "chat_cut": (
        "The connection was cut; waiting for the rest of the answer …",
        "连接中断；正在等待回答的其余部分……",
    ),
    "chat_thought": ("How this was thought through:", "思考过程："),
    "chat_lost": (
        "{url} cannot be reached any more. What was stored is answered once it is back; ask again then.",
        "已无法连接 {url}。恢复后，已保存的问题会得到回答；届时请再次提问。",
    ),
    "token_made": (
        "The token of {name}, shown this once:\n\n  {token}\n\nIn app.yaml, under `console:`, put its hash in place of "
        "`tokens: {{}}`, or below the tokens that stand there:\n\n  tokens:\n    {name}: {digest}",
        "{name} 的令牌，只显示这一次：\n\n  {token}\n\n请在 app.yaml 的 `console:` 下，用它的哈希替换 `tokens: {{}}`，"
        "或写在已有令牌的下面：\n\n  tokens:\n    {name}: {digest}",
    ),
    "bench_needs": (
        "bench {name} needs the package {package}: pip install --constraint constraints.txt -e '.[dev]'",
        "基准测试 {name} 需要 {package} 包：pip install --constraint constraints.txt -e '.[dev]'",
    ),
    "check_access": (
        "access names {name}, and there is no such channel. Channels are: {names}.",
        "access 中的 {name} 不是已有的频道。现有频道：{names}。",
    ),
    "token_name": (
        "A token needs a name of letters, digits, dots, dashes or underscores, such as operations.",
        "令牌需要一个由字母、数字、点、横线或下划线组成的名称，例如 operations。",
    ),
    "chat_token": (
        "{url} asks for an access token: set PARLEY_TOKEN or pass --token. `parley token NAME` makes one.",
        "{url} 需要访问令牌：请设置 PARLEY_TOKEN 或使用 --token。运行 `parley token NAME` 可生成。",
    ),
    "model_no_folder": (
        "There is no model in the folder {model}: it needs a config.json and the weights beside it.",
        "文件夹 {model} 中没有模型：需要 config.json 和旁边的权重文件。",
    ),
    "bench_unknown": (
        "There is no bench {name}. There are: {names}.",
        "没有名为 {name} 的基准测试。可用的有：{names}。",
    ),
    "demo_training": ("Training the demo model", "正在训练演示模型"),
    "demo_written": (
        "The demo model is in {folder}: {parameters} million parameters, {megabytes} MB, {minutes} minutes.",
        "演示模型已写入 {folder}：{parameters} 百万个参数，{megabytes} MB，用时 {minutes} 分钟。",
    ),
    "demo_asking": (
        "Asking it what it was never trained on …",
        "正在用训练中从未出现过的问题来提问……",
    ),
    "demo_answered": (
        "It answered {heldout_right:.0%} of new wordings right, {followup_right:.0%} of them in the middle of a "
        "conversation, and said of {outofscope_honest:.0%} of foreign questions that it does not know. "
        "`parley model use {folder}` lets it answer.",
        "新的问法答对 {heldout_right:.0%}，在对话中途答对 {followup_right:.0%}；对无关问题，{outofscope_honest:.0%} "
        "如实说不知道。运行 `parley model use {folder}` 让它来回答。",
    ),
    "model_pulled": (
        "{model} is in {folder}. `parley model use {model}` makes it the one that answers.",
        "{model} 已下载到 {folder}。运行 `parley model use {model}` 让它来回答。",
    ),
    "model_used": (
        "{model} answers from the next start on (engine.{setting} in {file}).",
        "下次启动后由 {model} 回答（{file} 中的 engine.{setting}）。",
    ),
    "model_name": (
        "{model} is not the name of a model. It looks like deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B, or is a folder.",
        "{model} 不是模型名称。名称形如 deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B，或是一个文件夹。",
    ),
    "model_not_here": (
        "{model} is not on this machine. Fetch it with `parley model pull {model}`, or name a folder that holds one.",
        "本机没有 {model}。请用 `parley model pull {model}` 下载，或指定一个包含模型的文件夹。",
    ),
    "model_not_pulled": (
        "{model} could not be fetched ({error}). Check the name and the connection, and run the command again: it goes "
        "on where it stopped.",
        "无法下载 {model}（{error}）。请检查名称和网络，然后重新运行命令：会从中断处继续。",
    ),
    "model_list": ("model|on disk|memory|with nf4|folder", "模型|磁盘|内存|用 nf4|文件夹"),
    "model_list_free": (
        "{free} of memory are free here. A model needs it for its weights, in 16 bits where they are many, and for one "
        "conversation of {context} tokens.",
        "本机可用内存为 {free}。模型需要的内存包括权重（较大的模型按 16 位计算）和一段 {context} 个 token 的对话。",
    ),
    "model_no_room": (
        "{model} takes {need} GB more on disk, and {free} GB are free there. Free some, or move data_dir.",
        "{model}还需要 {need} GB 磁盘空间，而可用空间为 {free} GB。请清理磁盘，或把 data_dir 设到更大的磁盘上。",
    ),
    "model_line": (
        "{where} sets the model in a form that cannot be changed safely. Please set engine.{setting} there by hand.",
        "{where} 中模型的写法无法安全地自动修改。请手动设置 engine.{setting}。",
    ),
    "not_found": ("There is nothing at this address. The page is at /.", "这个地址没有内容。页面在 /。"),
    "internal_error": (
        "Something went wrong inside Parley. Please try again; the operator finds the cause in the log.",
        "Parley 内部出了问题。请再试一次；管理员可以在日志中找到原因。",
    ),
    "not_stored": (
        "The database did not take it, so nothing was accepted. Please send it again in a moment.",
        "数据库没有接受，因此没有保存任何内容。请稍后重新发送。",
    ),
    "not_allowed_method": (
        "This address does not take {method}. docs/console.md says what it takes.",
        "这个地址不接受 {method}。可用的方法见 docs/console.md。",
    ),
    "too_large": (
        "This is larger than {limit} bytes. Please send less at once.",
        "内容超过 {limit} 字节。请减少一次发送的内容。",
    ),
    "config_workspace": (
        "a workspace is named ADAPTER:WORKSPACE, e.g. slack:T0123456, not {name!r}",
        "工作区的格式为 ADAPTER:WORKSPACE，例如 slack:T0123456，不能是 {name!r}",
    ),
    "limits_none": ("nobody is limited, in a day or at once", "没有任何用量限制"),
    "limits_and": ("{some}; {more}", "{some}；{more}"),
    "limits_are": ("{limits}; a day begins at 00:00 UTC", "{limits}；每天从 UTC 00:00 开始"),
    "limits_person_messages": ("{count} questions a day for each person", "每人每天 {count} 个问题"),
    "limits_person_tokens": ("{count} tokens a day for each person", "每人每天 {count} 个 token"),
    "limits_workspace_messages": ("{count} questions a day for each workspace", "每个工作区每天 {count} 个问题"),
    "limits_workspace_tokens": ("{count} tokens a day for each workspace", "每个工作区每天 {count} 个 token"),
    "limits_concurrency": ("{count} answers at once for each person", "每人同时 {count} 个回答"),
    "limits_otherwise": ("otherwise in {names}", "{names} 另有规定"),
    "limits_nobody": ("Nobody has asked anything today.", "今天还没有人提问。"),
    "limits_persons": ("Who asked most today:", "今天提问最多的人："),
    "limits_workspaces": ("Where:", "所在工作区："),
    "limits_lifted": ("For whom the limits of the day are lifted:", "已解除每日限制的人："),
    "limits_used": ("questions: {messages}, tokens: {tokens}", "{messages} 个问题，{tokens} 个 token"),
    "limits_crowd": ("persons: {count}", "共 {count} 人"),
    "limits_until": ("lifted until {until}", "限制解除至 {until}"),
    "limits_unknown": ("(nobody knows who any more)", "（已无从得知）"),
    "limits_moment": (
        "{text} is no day or moment; expected is 2026-12-31 or 2026-12-31T18:00+08:00.",
        "{text} 不是日期或时间；格式应为 2026-12-31 或 2026-12-31T18:00+08:00。",
    ),
    "limits_past": ("{text} is over already; name a later day or moment.", "{text} 已经过去；请给出更晚的日期或时间。"),
    "limits_today_or_until": ("Name either --today or --until, not both.", "--today 和 --until 只能选择一个。"),
    "limits_lift_done": (
        "{person} may go on until {until}, whatever the limits of the day.",
        "{person} 在 {until} 之前不受每日限制。",
    ),
    "limits_lift_stranger": (
        "{person} has asked nothing today. Is the name right? A person is named as ADAPTER:WORKSPACE:ID.",
        "{person} 今天没有提过问题。请检查标识是否正确，格式为 ADAPTER:WORKSPACE:ID。",
    ),
    "limits_restored": ("The limits hold for {person} again.", "{person} 的限制已恢复。"),
    "limits_held": ("Nothing was lifted for {person}.", "{person} 的限制并未解除。"),
    "check_admin": ("operator's pages", "运维页面"),
    "check_admin_off": ("off (admin.enabled)", "未启用（admin.enabled）"),
    "check_admin_ok": (
        "at {url}/admin; `parley admin list` says who may sign in",
        "{url}/admin；`parley admin list` 可列出谁能登录",
    ),
    "check_admin_oidc": (
        "at {url}/admin, for whoever {issuer} vouches for; `parley admin list` says who else may sign in",
        "{url}/admin，由 {issuer} 验证身份；`parley admin list` 可列出还有谁能登录",
    ),
    "check_admin_nowhere": (
        "nobody reaches them but on this machine: set admin.url to the https address that people use (docs/admin.md)",
        "只有在本机才能打开：请把 admin.url 设为人们使用的 https 地址（docs/admin.md）",
    ),
    "check_admin_plain": (
        "{host} is reached from other machines, neither over TLS nor through a proxy that is believed: over plain HTTP "
        "/admin is refused, cookies go over open lines, and whoever signs in wrongly slows down every operator. Name "
        "the networks of the proxy that speaks HTTPS (server.trusted_proxies, as a variable "
        'PARLEY_SERVER__TRUSTED_PROXIES=["10.0.0.0/24"]) and the address that people use (admin.url), or set '
        "server.tls, or take the pages away (admin.enabled: false).",
        "其他机器可以访问 {host}，但既没有 TLS，也没有可信的代理：明文 HTTP 下 /admin 会被拒绝，Cookie 会以明文传输，"
        "任何人登录失败都会拖慢所有操作员的登录。请写明提供 HTTPS 的代理所在网络（server.trusted_proxies，环境变量为 "
        'PARLEY_SERVER__TRUSTED_PROXIES=["10.0.0.0/24"]）和人们使用的地址（admin.url），或设置 server.tls，'
        "或关闭这些页面（admin.enabled: false）。",
    ),
    "check_limits": ("limits", "用量限制"),
    "check_limits_slots": (
        "one person may have {count} answers written at once (limits.person.concurrency), and {slots} is all there is "
        "room for: somebody who asks a lot keeps everybody else waiting. Take less than half.",
        "一个人可以同时获得 {count} 个回答（limits.person.concurrency），而总共只有 {slots} 个位置："
        "大量提问的人会让其他人等待。建议不超过一半。",
    ),
    "check_limits_free": (
        "one person may have as many answers written at once as there is room for: set limits.person.concurrency, or "
        "somebody who asks a lot keeps everybody else waiting",
        "一个人可以同时占用全部位置：请设置 limits.person.concurrency，否则大量提问的人会让其他人等待",
    ),
    "audit_empty": ("The audit log has no such line.", "审计日志没有相应的记录。"),
    "audit_themselves": ("the person themselves", "本人"),
    "audit_somebody": ("somebody unknown", "未知"),
    "audit_link": (
        "{text!r} is no NUMBER:LINK as `parley audit verify` prints it.",
        "{text!r} 不是 `parley audit verify` 输出的 NUMBER:LINK。",
    ),
    "audit_whole": (
        "All {lines} lines are as they were written. Keep this to compare with later (--expect): {link}",
        "全部 {lines} 条记录均未被改动。请保存以便日后比对（--expect）：{link}",
    ),
    "audit_missing": (
        "Line {number} is missing; the {lines} before it are as they were written.",
        "缺少第 {number} 条记录；之前的 {lines} 条未被改动。",
    ),
    "audit_changed": (
        "Line {number} is not what was written; the {lines} before it are.",
        "第 {number} 条记录已被改动；之前的 {lines} 条未被改动。",
    ),
    "audit_unreadable": (
        "Line {number} cannot be opened; the {lines} before it are as they were written.",
        "第 {number} 条记录无法打开；之前的 {lines} 条未被改动。",
    ),
    "keys_primary": (
        "key {kid} wraps {count} data keys, and every new one",
        "密钥 {kid}：包裹 {count} 个数据密钥，新的也由它包裹",
    ),
    "keys_wraps": ("key {kid} wraps {count} data keys", "密钥 {kid}：包裹 {count} 个数据密钥"),
    "keys_idle": ("key {kid} wraps none: it can be retired", "密钥 {kid}：没有包裹任何数据密钥，可以停用"),
    "keys_missing": (
        "key {kid} wraps {count} data keys and is missing in PARLEY_KEYS: they can't be opened",
        "密钥 {kid}：包裹 {count} 个数据密钥，但 PARLEY_KEYS 中没有它，因此无法打开",
    ),
    "keys_rotating": ("Wrapping the data keys with key {kid}", "正在用密钥 {kid} 重新包裹数据密钥"),
    "keys_rotated": (
        "{count} data keys are wrapped with key {kid} now. `parley keys list` says which other key can be retired.",
        "{count} 个数据密钥已改由密钥 {kid} 包裹。`parley keys list` 会列出可以停用的密钥。",
    ),
    "keys_still": (
        "{count} data keys are wrapped with another key still: a process that has the old order of PARLEY_KEYS made "
        "them. Restart it with the new order, and rotate once more.",
        "还有 {count} 个数据密钥由其他密钥包裹：某个进程仍在使用旧的 PARLEY_KEYS 顺序。请用新顺序重启它，再执行一次。",
    ),
    "person_malformed": (
        "{key!r} names nobody. A person is ADAPTER:WORKSPACE:ID, with % codes inside of the parts, "
        "e.g. slack:T012AB3CD:U045EF6GH or teams:TENANT:29%3A1xyz.",
        "{key!r} 不是有效的人员标识。格式为 ADAPTER:WORKSPACE:ID，各部分内部使用 % 编码，"
        "例如 slack:T012AB3CD:U045EF6GH 或 teams:TENANT:29%3A1xyz。",
    ),
    "forget_sure": (
        "All that {person} said, was told and voted becomes unreadable for good. Go on?",
        "{person} 说过的、得到的回答和评价都将永久无法读取。是否继续？",
    ),
    "forget_broken_off": (
        "Broken off. Some or all of {person} may be gone already, and nothing else has been touched: run it again "
        "until it says how much was forgotten.",
        "已中断。{person} 的数据可能已部分或全部删除，其他数据未受影响。请再次运行，直到显示删除的数量。",
    ),
    "export_broken_off": (
        "Broken off: nothing of {person} was printed. Run it again.",
        "已中断：没有输出 {person} 的任何数据。请再次运行。",
    ),
    "store_away": (
        "The database does not answer {problem}, and nothing was done. Is it running, and is DATABASE_URL its address? "
        "`parley check` says more.",
        "数据库没有响应 {problem}，未执行任何操作。请确认数据库正在运行，且 DATABASE_URL 是它的地址。"
        "`parley check` 会给出更多信息。",
    ),
    "database_url_malformed": (
        "DATABASE_URL is no address of a PostgreSQL database. It begins with postgresql://, as in "
        "postgresql://parley:PASSWORD@db.example.com/parley.",
        "DATABASE_URL 不是 PostgreSQL 数据库的地址。它应以 postgresql:// 开头，"
        "例如 postgresql://parley:PASSWORD@db.example.com/parley。",
    ),
    "store_other_key": (
        "This database was sealed with another key than the ones that are configured{problem}, and nothing was done. "
        "Set PARLEY_KEYS to what the serving processes have. `parley key` makes a new one, and does not help here.",
        "此数据库使用的是另一个密钥{problem}，未执行任何操作。请把 PARLEY_KEYS 设为正在运行的服务所用的值。"
        "`parley key` 只会生成新密钥，在这里没有帮助。",
    ),
    "forget_done": (
        "Forgotten: {messages} messages, {answers} answers, {votes} votes of {person}. A backup made before holds them "
        "until you delete it; `parley forgotten` notes whom a restore has to forget again.",
        "已删除 {person} 的 {messages} 条消息、{answers} 条回答、{votes} 个评价。此前的备份在您删除之前仍含有这些内容；"
        "`parley forgotten` 可记录恢复备份时需要再次删除的人员。",
    ),
    "forget_nobody": (
        "Nothing was kept of {person}. Is the name right? A person is named as ADAPTER:WORKSPACE:ID.",
        "没有 {person} 的任何记录。请检查标识是否正确，格式为 ADAPTER:WORKSPACE:ID。",
    ),
    "export_left_out": (
        "Left out, as it can no longer be opened: {count}. The lines above say what.",
        "有 {count} 项已无法打开，未包含在内；上面的日志说明了是哪些。",
    ),
    "exported": (
        "{messages} messages, {answers} answers and {ratings} ratings of {person}.",
        "{person} 的 {messages} 条消息、{answers} 条回答和 {ratings} 个评价。",
    ),
    "backup_exists": ("{file} is there already, and is left as it is.", "{file} 已存在，未作改动。"),
    "backup_nothing": ("The database is empty: there is nothing to back up.", "数据库是空的，没有可备份的内容。"),
    "house_nowhere": (
        "DATABASE_URL is not set, and there is no embedded database in {folder}: nothing is there to read or change, "
        "and nothing was made. Give this command the environment and the folder that the service has: "
        "docs/operating.md, “Install”; for jobs, “Back up”.",
        "没有设置 DATABASE_URL，{folder} 中也没有内置数据库：没有可读取或更改的内容，也没有创建任何东西。"
        "请为此命令提供与服务相同的环境变量和目录；做法见 docs/operating.zh.md 的“安装”一节，定时任务见“备份”一节。",
    ),
    "house_no_keys": (
        "PARLEY_KEYS is not set, and there is no development key: without the keys that the service has nothing can be "
        "read, and none was made.",
        "没有设置 PARLEY_KEYS，也没有开发密钥：没有服务所用的密钥就无法读取任何内容；没有创建新密钥。",
    ),
    "backup_elsewhere": (
        "In this database Parley's tables are in the schema {schema}, and backups know `public` alone: use pg_dump, or "
        "a database whose search_path begins with public.",
        "此数据库中 Parley 的表位于 schema {schema}，而备份只支持 public：请使用 pg_dump，或使用 search_path "
        "以 public 开头的数据库。",
    ),
    "backup_not_written": (
        "{file} could not be written ({error}). Is its folder there, with room left, and may this account write in it?",
        "无法写入 {file}（{error}）。请检查其文件夹是否存在、空间是否足够、本账号是否可以写入。",
    ),
    "backup_no_tool": (
        "{tool} is not on this machine. A PostgreSQL client of version {server} has it, e.g. Debian's package "
        "postgresql-client-{server}.",
        "本机没有 {tool}。它在 PostgreSQL {server} 的客户端中，例如 Debian 的软件包 postgresql-client-{server}。",
    ),
    "backup_old_tool": (
        "{tool} on this machine is {found}; PostgreSQL {server} needs one of its own version, e.g. Debian's package "
        "postgresql-client-{server}.",
        "本机的 {tool} 版本是 {found}；PostgreSQL {server} 需要同版本的，例如 Debian 的 postgresql-client-{server}。",
    ),
    "backup_tool_failed": ("{tool} failed: {problem}", "{tool} 失败：{problem}"),
    "backup_dumping": ("Writing with pg_dump {tool}", "正在用 pg_dump {tool} 写入"),
    "backup_done": (
        "{file}: {rows} rows, {bytes} bytes. To read it, key {keys} of PARLEY_KEYS is needed, which is not in it: "
        "keep it apart.",
        "{file}：{rows} 行，{bytes} 字节。读取它需要 PARLEY_KEYS 中的密钥 {keys}，备份中不含密钥：请分开保存。",
    ),
    "forgotten_written": (
        "{file}: those who were forgotten, as hashes ({count}).",
        "{file}：{count} 个已被删除的人员（仅哈希）。",
    ),
    "restore_checking": ("Looking whether the file is whole", "正在检查文件是否完整"),
    "restore_loading": ("Loading with pg_restore {tool}", "正在用 pg_restore {tool} 载入"),
    "restore_opening": ("Opening what is sealed", "正在打开加密内容"),
    "restore_not_read": (
        "{file} could not be read ({error}). Is it there, and may this account read it?",
        "无法读取 {file}（{error}）。请检查文件是否存在、本账号是否可以读取。",
    ),
    "restore_no_backup": (
        "{file} is no whole backup of Parley: it is another file, or its end is missing.",
        "{file} 不是完整的 Parley 备份：它是别的文件，或末尾缺失。",
    ),
    "restore_damaged": (
        "The file is not what was written: it is damaged or cut off. Take another copy of it.",
        "文件与写入时不同：已损坏或被截断。请使用另一份副本。",
    ),
    "restore_changed": (
        "The backup's manifest.json is not signed with a key of this house: somebody changed it, or it is another "
        "house's. Take another copy of it.",
        "备份中的 manifest.json 没有本系统密钥的签名：它被改动过，或来自另一个系统。请使用另一份副本。",
    ),
    "restore_keys_missing": (
        "The backup needs key {keys}, which is missing in PARLEY_KEYS. Add it from where you keep your keys: without "
        "it nothing in the backup can be read.",
        "此备份需要密钥 {keys}，但 PARLEY_KEYS 中没有。请从您保存密钥的地方取出并加入："
        "没有它，备份中的内容都无法读取。",
    ),
    "restore_keys_wrong": (
        "Key {keys} in PARLEY_KEYS is not the one that the backup was made with: it has the same number only.",
        "PARLEY_KEYS 中的密钥 {keys} 并非制作备份时的密钥，只是编号相同。",
    ),
    "restore_newer": (
        "The backup has schema {schema} of a later release ({release}); this one knows them up to {head}. Restore it "
        "with that release.",
        "备份的结构 {schema} 属于更新的版本（{release}）；本版本最多支持 {head}。请用那个版本恢复。",
    ),
    "restore_older_server": (
        "The backup was made on PostgreSQL {made_by}, and this server is {server}: it can only go to the same or a "
        "newer one.",
        "备份来自 PostgreSQL {made_by}，而此服务器是 {server}：只能恢复到相同或更新的版本。",
    ),
    "restore_not_empty": (
        "The database is not empty. Name an empty one, or say --replace: what is there now is then lost.",
        "数据库不是空的。请指定一个空数据库，或使用 --replace：现有内容将会丢失。",
    ),
    "restore_in_use": (
        "Parley still uses this database. End every process of it first.",
        "Parley 仍在使用此数据库。请先停止它的所有进程。",
    ),
    "restore_extensions": (
        "The schema public has extensions in it, which would go with what is replaced: {names}. Give each a schema of "
        "its own first: ALTER EXTENSION … SET SCHEMA …",
        "schema public 中有扩展，替换时会一并丢失：{names}。请先为其指定单独的 schema：ALTER EXTENSION … SET SCHEMA …",
    ),
    "restore_no_list": (
        "{file} is no list that `parley forgotten` of this house has written.",
        "{file} 不是本系统的 `parley forgotten` 写出的名单。",
    ),
    "restore_who_unknown": (
        "Nobody knows who was forgotten since the backup: the audit log of the database that is replaced can't be "
        "read, is not as it was written, or is another house's. Nothing was changed. Name the list that `parley "
        "forgotten` wrote with --forgotten. Without one, --without-list goes on: whoever was forgotten since can be "
        "read again then.",
        "无法得知备份之后删除过哪些人：将被取代的数据库的审计日志无法读取、已被改动，或属于另一个系统。未作任何改动。"
        "请用 --forgotten 指定 `parley forgotten` 写出的名单。没有名单时可用 --without-list 继续："
        "此后被删除的人员的内容将重新可读。",
    ),
    "restore_list_alone": (
        "Mind that the audit log of the database that was replaced could not be believed: only those on the list were "
        "forgotten again. Whoever was forgotten after it was written can be read again.",
        "请注意：被取代的数据库的审计日志不可信，只重新删除了名单上的人员。名单写出之后被删除的人员的内容现在重新可读。",
    ),
    "restore_nobody_known": (
        "Mind that nobody was forgotten again, as nobody knows who was forgotten since the backup: they can be read "
        "again. Forget whom you know of, with `parley forget`.",
        "请注意：没有重新删除任何人，因为无法得知备份之后删除过哪些人；他们的内容现在重新可读。"
        "请用 `parley forget` 删除您知道的人员。",
    ),
    "restore_rows": (
        "After loading, the tables do not have the rows that the backup names. Nothing was changed; take another copy "
        "of it.",
        "载入后，各表的行数与备份所述不符。未作任何改动；请使用另一份副本。",
    ),
    "restore_unreadable": (
        "Sealed values do not open, by column: {where}. Nothing was changed.",
        "有加密内容无法打开，按列：{where}。未作任何改动。",
    ),
    "restore_sure": (
        "What the database holds now is lost, and gives way to the backup. Go on?",
        "数据库现有内容将会丢失，由备份取代。是否继续？",
    ),
    "restore_done": (
        "Restored: {rows} rows as of {made_at}, brought to schema {schema}.",
        "已恢复：{rows} 行，截至 {made_at}，结构版本 {schema}。",
    ),
    "restore_opened_all": (
        "All {count} sealed values open, and the audit log is whole.",
        "全部 {count} 个加密内容均可打开，审计日志完整。",
    ),
    "restore_opened_some": (
        "{count} sealed values, some of each kind, open, and the audit log is whole; --verify opens all.",
        "抽查的 {count} 个加密内容均可打开，审计日志完整；--verify 会打开全部。",
    ),
    "restore_waiting": (
        "{count} questions and answers wait, and are taken up at the next start.",
        "有 {count} 个问题和回答在等待，下次启动时处理。",
    ),
    "restore_forgotten": (
        "Forgotten again, as they had been since (persons): {count}.",
        "重新删除了 {count} 个此后已被删除的人员。",
    ),
    "moderation_no_hits": ("Moderation has found nothing.", "审核没有发现任何内容。"),
    "moderation_clean": ("No rule is hit.", "没有命中任何规则。"),
    "moderation_appeal": ("    appealed {at}: {comment}", "    申诉 {at}：{comment}"),
    "plugin_list": ("plugin|command|from|within|what it does", "插件|命令|来源|时限|用途"),
    "plugin_off": ("switched off by plugins.disabled", "已由 plugins.disabled 关闭"),
    "plugin_no_tools": (
        "an MCP server without tools: it cannot be reached, or has none that its `allow` names",
        "MCP 服务器，没有工具：无法连接，或没有 `allow` 所列的工具",
    ),
    "plugin_stranger": (
        "{setting} names {name}, and there is no plugin of that name. {remedy}",
        "{setting} 写了 {name}，但没有这个名称的插件。{remedy}",
    ),
    "plugin_spelling": ("`parley plugin list` shows those there are.", "现有插件见 `parley plugin list`。"),
    "plugin_unset": ("not set up: see {guide}", "尚未配置：见 {guide}"),
    "plugin_admins": ("admins only", "仅管理员"),
    "plugin_confirms": ("asks first", "需确认"),
    "plugin_none": (
        "Plugins are switched off: plugins.enabled is false.",
        "插件已关闭：plugins.enabled 为 false。",
    ),
    "no_metrics": (
        "The metrics need the header `Authorization: Bearer` with PARLEY_METRICS_TOKEN.",
        "读取指标需要请求头 `Authorization: Bearer` 和 PARLEY_METRICS_TOKEN。",
    ),
}

_speaking = "en"


def speak(language: str) -> None:
    """Chooses the language of this process's operator: "en" or "zh"."""
    global _speaking
    _speaking = language


def speaking() -> str:
    """The language of this process's operator."""
    return _speaking


def say(name: str, /, *, language: str = "", **facts: object) -> str:
    """The sentence `name` with its facts filled in, in the operator's language where no other is asked for."""
    english, chinese = _TEXTS[name]
    return (chinese if (language or _speaking) == "zh" else english).format(**facts)
