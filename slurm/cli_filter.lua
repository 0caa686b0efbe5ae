-- hpccompat for plain sbatch, srun and salloc: a job with a container image starts only on nodes that can run it.
--
-- Install it as cli_filter.lua beside slurm.conf (CliFilterPlugins=lua). Where the site has a cli_filter.lua of its own:
--     dofile("/etc/slurm/hpccompat_cli_filter.lua")
-- at its beginning, and in its functions of nearly the same names, as the last thing that they do:
--     return hpccompat_pre_submit(options, offset)
--     hpccompat_post_submit(offset, job_id, step_id)
--
-- It runs as the user, inside the user's command. Slurm has already merged options, environment and #SBATCH lines; this
-- hands them to `hpccompat hook cli-filter`, by file, and sets what comes back: constraint, prefer, exclude, comment.
-- A job that names neither an image nor a container runtime costs no process. Whatever fails here lets the job go as it
-- is, with a warning, unless the site's policy says broken = "deny".
--
-- /etc/default/hpccompat, or the file that the global hpccompat_defaults names, may set, one a line:
--   HPCCOMPAT                  the program, where it is not in /usr/bin or /usr/local/bin
--   HPCCOMPAT_CONFIG           a settings file instead of /etc/hpccompat/config.toml
--   HPCCOMPAT_PLUGIN_TIMEOUT   seconds that a plan may take (30)

local VERSION = "1"
local KEPT = "hpccompat-kept-plan-1"
local LIMIT = 1024 * 1024
local ASKED = {
    "constraint", "prefer", "exclude", "nodelist", "nodefile", "partition", "clusters", "nodes", "ntasks", "comment",
    "array", "container", "reservation", "chdir",
}
local SET = { "constraint", "prefer", "exclude", "comment" }
-- What names an image in a script, or in the command of srun and salloc: runtimes, and options of srun in scripts.
local MENTIONS = {
    "apptainer", "singularity", "docker", "podman", "podman-hpc", "enroot", "sarus", "ch-run", "shifter", "spack",
    "--container-image", "--image", "--uenv", "--environment", "--singularity-container", "--container",
}
local VARIABLES = {
    "HPCCOMPAT_IMAGE", "HPCCOMPAT_POLICY_NO_IMAGE", "PYXIS_CONTAINER_IMAGE", "SLURM_SPANK_SHIFTER_IMAGE",
    "SHIFTER_IMAGE", "SHIFTER", "SLURM_UENV", "SLURM_SINGULARITY_CONTAINER",
}

local function read_file(name, limit)
    local file = io.open(name, "rb")
    if not file then return nil end
    local text = file:read(limit or LIMIT)
    file:close()
    return text or ""
end

-- The beginning of a regular file; nil for what can be read only once, which sbatch has then read already. Opened for
-- writing, too, a FIFO does not wait for a writer.
local function read_regular(name, limit)
    local file = io.open(name, "r+b")
    if file then
        local size = file:seek("end")
        file:close()
        if not size then return nil end
    end
    return read_file(name, limit)
end

local function say(text)
    io.stderr:write("hpccompat: " .. text .. "\n")
end

-- The admin's defaults; a value may be quoted, as the shell would have it.
local function defaults()
    local found = {}
    for line in ((read_file(hpccompat_defaults or "/etc/default/hpccompat") or "") .. "\n"):gmatch("(.-)\n") do
        local name, value = line:match("^%s*([A-Z_]+)=(.-)%s*$")
        if name then found[name] = value:match("^'(.*)'$") or value:match('^"(.*)"$') or value end
    end
    return found
end

-- A word of the settings, where they have it as KEY = "word"; in part before any program can be asked.
local function setting(settings, key)
    return settings and ("\n" .. settings):match("\n%s*" .. key .. "%s*=%s*[\"'](%a+)[\"']")
end

-- For the two words of a command that are not our own; text of the user's is never among them.
local function quoted(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function field(name, value)
    return name .. " " .. #value .. "\n" .. value .. "\n"
end

-- Fields as a list of {name, value}; nil where they are not whole.
local function fields_of(text)
    local found, position = {}, 1
    while position <= #text do
        local _, stop, name, size = text:find("^([^ \n]+) (%d+)\n", position)
        if not stop or text:sub(stop + 1 + tonumber(size), stop + 1 + tonumber(size)) ~= "\n" then return nil end
        found[#found + 1] = { name, text:sub(stop + 1, stop + tonumber(size)) }
        position = stop + tonumber(size) + 2
    end
    return found
end

-- Whether the wrapper has planned this submission: it is this process, or the one that started it.
local function planned_by_wrapper()
    local wrapper = os.getenv("HPCCOMPAT_RUNNING")
    local stat = wrapper and read_file("/proc/self/stat", 1024)
    local pid, parent = (stat or ""):match("^(%d+) %(.*%) %a (%d+)")
    if not pid then return false end
    if wrapper == pid then return true end
    -- `hpccompat salloc sbatch …`: the wrapper has become salloc, and this is another job.
    local name = (read_file("/proc/" .. parent .. "/comm", 64) or ""):match("^[^\n]*")
    return wrapper == parent and name ~= "salloc" and name ~= "srun"
end

local function given(value)
    return type(value) == "string" and value ~= "" and value ~= "unset" and value ~= "invalid-context"
        and value ~= "(null)"
end

local function script_of(options)
    if options["type"] ~= "sbatch" or given(options["wrap"]) then return nil end
    local name = type(options["argv"]) == "table" and options["argv"][1]
    if type(name) ~= "string" then return nil end
    if name:find("^/dev/") or name:find("^/proc/") then return nil end
    return read_regular(name)
end

-- What SPANK plugins' options are given: {"plugin/option", value}, in a fixed order.
local function of_plugins(options)
    local found = {}
    local plugins = options["spank"]
    if type(plugins) ~= "table" then return found end
    for plugin, its_options in pairs(plugins) do
        if type(its_options) == "table" then
            for option, value in pairs(its_options) do
                if type(value) == "string" then found[#found + 1] = { plugin .. "/" .. option, value } end
            end
        end
    end
    table.sort(found, function(one, other) return one[1] < other[1] end)
    return found
end

local function mentions(text)
    for _, name in ipairs(MENTIONS) do
        if text:find(name, 1, true) then return true end
    end
    return false
end

-- What the job runs besides a script, as fields, where that seems to name an image: --wrap, or srun's and salloc's words.
local function command_of(options)
    if options["type"] == "sbatch" then
        local wrap = given(options["wrap"]) and options["wrap"] or ""
        return mentions(wrap) and field("wrap", wrap) or ""
    end
    local list, name = type(options["argv"]) == "table" and options["argv"] or {}, "argv/"
    if #list == 0 and options["type"] == "salloc" then
        -- Slurm does not tell what salloc runs (22.05). We are in its process, and the hook tells its options apart.
        list, name = {}, "command-line/"
        for word in (read_file("/proc/self/cmdline") or ""):gmatch("([^%z]*)%z") do list[#list + 1] = word end
    end
    local words, named = {}, false
    for number, word in ipairs(list) do
        words[number] = field(name .. number, word)
        named = named or mentions(word)
    end
    return named and table.concat(words) or ""
end

-- Whether there is anything to ask: an image named somewhere, or a site that wants to hear of jobs without one.
local function concerns(options, script, command, plugins, settings)
    if #plugins > 0 or given(options["container"]) or command ~= "" then return true end
    if script and (script:find("COMPAT", 1, true) or mentions(script)) then return true end
    for _, name in ipairs(VARIABLES) do
        if os.getenv(name) then return true end
    end
    return (settings or ""):find("no_image", 1, true) ~= nil
end

-- Two numbers of a text, for the name of a file; whether it is the same text is looked at, too.
local function hashed(text)
    local one, other = 5381, 0
    for position = 1, #text, 61 do
        for _, byte in ipairs({ text:byte(position, position + 60) }) do
            one, other = (one * 33 + byte) % 4294967296, (other * 65599 + byte) % 4294967291
        end
    end
    return string.format("%08x%08x", one, other)
end

local function folder_of_kept()
    local home = os.getenv("HOME")
    local base = os.getenv("XDG_CACHE_HOME")
    if not base or base == "" then base = home and home .. "/.cache" end
    return base and base:sub(1, 1) == "/" and base .. "/hpccompat/plans/" or nil
end

-- Whether a regular file has this size, and begins so.
local function begins(name, size, head)
    local text = read_regular(name, #head)
    local file = text == head and io.open(name, "rb")
    local found = file and file:seek("end")
    if file then file:close() end
    return found == size
end

-- The answer that was kept for the same question, if all that it was made of is as it was.
local function kept(question, name)
    local folder = folder_of_kept()
    local text = folder and read_file(folder .. name)
    local fields = text and text ~= "" and fields_of(text)
    if not fields or fields[1][1] ~= KEPT then return nil end
    local answer, ended = {}, false
    for _, each in ipairs(fields) do
        local kind, value = each[1], each[2]
        if kind == "until" then
            local stop = tonumber(value)
            if not stop or stop <= os.time() or stop > os.time() + 60 then return nil end
        elseif kind == "question" then
            if value ~= question then return nil end
        elseif kind == "variable" then
            local variable, set, wanted = value:match("^([^=?]+)([=?])(.*)$")
            local now = variable and os.getenv(variable)
            if not variable or (set == "=" and now ~= wanted) or (set == "?" and now) then return nil end
        elseif kind == "absent" then
            if read_file(value, 1) then return nil end
        elseif kind == "file" then
            local path, content = value:match("^([^\n]*)\n(.*)$")
            if not path or read_file(path) ~= content then return nil end
        elseif kind == "head" then
            local path, size, head = value:match("^([^\n]*)\n(%d+)\n(.*)$")
            if not path or not begins(path, tonumber(size), head) then return nil end
        elseif kind == "end" then
            ended = true
        else
            answer[#answer + 1] = each
        end
    end
    return ended and answer or nil
end

-- What `hpccompat hook cli-filter` answers, and nil with a reason where it doesn't.
local function ask(question, program, config, seconds)
    if not read_file(program, 1) then return nil, program .. " is not there" end
    local name = os.tmpname()
    local file = io.open(name, "wb")
    local written = file and file:write(question)
    if file and not file:close() then written = false end
    if not written then
        os.remove(name)
        return nil, name .. " can't be written"
    end
    local command = "exec timeout -k 1 " .. seconds .. " " .. quoted(program)
    if config then command = command .. " --config " .. quoted(config) end
    local pipe = io.popen(command .. " hook cli-filter " .. quoted(name) .. " </dev/null", "r")
    local text = pipe and pipe:read("*a") or ""
    if pipe then pipe:close() end
    os.remove(name)
    local answer = fields_of(text)
    if not answer or #answer == 0 or answer[#answer][1] ~= "end" then
        return nil, "it gave no answer (within " .. seconds .. " s)"
    end
    return answer
end

-- Of the components of a job so far: option -> what its user had given, and what was set in its place. A later component
-- inherits the latter.
local before = {}

-- Under the name of an option, what its user has given for this component.
local function users_own(options, name)
    local value = options[name]
    if not given(value) then value = "" end
    local earlier = before[name]
    if earlier and value == earlier.set then return earlier.own end
    return value
end

local function plan(options, offset)
    local kind = options["type"]
    if kind ~= "sbatch" and kind ~= "srun" and kind ~= "salloc" then return true end
    if kind == "srun" and (os.getenv("SLURM_JOB_ID") or os.getenv("SLURM_JOBID") or given(options["jobid"])) then
        return true -- a step of a job that has its nodes
    end
    local site = defaults()
    local config = site["HPCCOMPAT_CONFIG"]
    local settings_file = config or "/etc/hpccompat/config.toml"
    for _, folder in ipairs({ settings_file:match("^(.*/)") or "./", "/etc/hpccompat/" }) do
        if read_file(folder .. "disabled", 1) then return true end
    end
    if planned_by_wrapper() then return true end
    local settings = read_file(settings_file)
    local script, plugins, command = script_of(options), of_plugins(options), command_of(options)
    local own = {}
    for _, name in ipairs(ASKED) do own[name] = users_own(options, name) end
    local answer, why = {}, nil
    if concerns(options, script, command, plugins, settings) then
        local question = field("version", VERSION) .. field("type", kind) .. field("offset", tostring(offset or 0))
        for _, name in ipairs(ASKED) do
            if own[name] ~= "" then question = question .. field(name, own[name]) end
        end
        for _, each in ipairs(plugins) do question = question .. field("spank/" .. each[1], each[2]) end
        if given(options["quiet"]) and options["quiet"] ~= "0" then question = question .. field("quiet", "") end
        if script then
            question = question .. field("script", script) .. field("script-name", options["argv"][1])
        end
        question = question .. command
        local name = "plugin-" .. hashed(question)
        answer = kept(question, name)
        if not answer then
            local program = site["HPCCOMPAT"]
            if not program then
                program = read_file("/usr/bin/hpccompat", 1) and "/usr/bin/hpccompat" or "/usr/local/bin/hpccompat"
            end
            local seconds = (site["HPCCOMPAT_PLUGIN_TIMEOUT"] or ""):match("^%d+$") or "30"
            answer, why = ask(question .. field("keep", name), program, config, seconds)
        end
        if not answer then error({ why = why, settings = settings }) end
    end
    local new = {}
    for _, each in ipairs(answer) do
        if each[1] == "say" then
            io.stderr:write(each[2] .. "\n")
        elseif each[1] == "outcome" and each[2] == "refused" then
            return false
        else
            new[each[1]] = each[2]
        end
    end
    for _, name in ipairs(SET) do
        local now = given(options[name]) and options[name] or ""
        local wanted = new[name] or own[name]
        if wanted ~= now then
            -- An empty preference would override the constraint (22.05).
            if name == "prefer" and wanted == "" then wanted = new["constraint"] or own["constraint"] end
            options[name] = wanted
        end
        if new[name] then before[name] = { own = own[name], set = wanted } end
    end
    return true
end

function hpccompat_pre_submit(options, offset)
    local fine, result = pcall(plan, options, offset)
    if fine then return result and slurm.SUCCESS or slurm.ERROR end
    local why = type(result) == "table" and result.why or tostring(result)
    local settings = type(result) == "table" and result.settings or nil
    local broken = setting(settings, "broken") or "warn"
    local deny = broken == "deny" and setting(settings, "mode") ~= "observe"
    if deny then
        say("error: hpccompat failed, the job is refused: " .. why)
    elseif broken ~= "allow" then
        say("warning: hpccompat failed, the job is submitted as it is: " .. why)
    end
    return deny and slurm.ERROR or slurm.SUCCESS
end

function hpccompat_post_submit()
    before = {}
end

-- Slurm wants all three. A site's own, defined after this file is read, take their place.
function slurm_cli_setup_defaults()
    return slurm.SUCCESS
end

function slurm_cli_pre_submit(options, offset)
    return hpccompat_pre_submit(options, offset)
end

function slurm_cli_post_submit(offset, job_id, step_id)
    hpccompat_post_submit(offset, job_id, step_id)
    return slurm.SUCCESS
end
