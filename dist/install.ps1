# What install.sh does, for Windows: finds, fetches or builds the binary for this machine and writes its path to the
# step's output `path`. BINARY_PATH, BINARY_BASE_URL and BINARY_VERIFY are the inputs of those names.
#
# It must run in Windows PowerShell 5.1, which every Windows has, so it uses nothing newer and no character but ASCII.

$ErrorActionPreference = 'Stop'
# The progress bar of Invoke-WebRequest makes it many times slower.
$ProgressPreference = 'SilentlyContinue'
# PowerShell 5.1 may begin with protocols that GitHub refuses.
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072 # TLS 1.2

$root = Split-Path -Parent $PSScriptRoot
$bringYourOwn = 'give a binary in `binary-path`'
$untrusted = "$bringYourOwn with ``binary-verify: false``"

# Ends the step with one annotation.
function Stop-Step([string] $Message) {
    $escaped = $Message.Replace('%', '%25').Replace("`r", '%0D').Replace("`n", '%0A')
    [Console]::Out.WriteLine("::error title=agent-task was not installed::$escaped")
    exit 1
}

# Ends the step well. A file's name on Windows has no line break, so one line is enough. AppendAllText writes no byte
# order mark, which Add-Content of PowerShell 5.1 does.
function Complete-Step([string] $Path, [string] $Message) {
    [System.IO.File]::AppendAllText($env:GITHUB_OUTPUT, "path=$Path`n")
    Write-Output $Message
    exit 0
}

function Get-Sha256([string] $Path) {
    (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash.ToLowerInvariant()
}

function Get-TextSha256([string] $Text) {
    $bytes = [System.Security.Cryptography.SHA256]::Create().ComputeHash([System.Text.Encoding]::UTF8.GetBytes($Text))
    [System.BitConverter]::ToString($bytes).Replace('-', '').ToLowerInvariant()
}

# Moves a file to agent-task/$Place in the first folder that can be written. It appears there in one go, so jobs that
# share the folder never see a part of it.
function Move-IntoPlace([string] $File, [string] $Place) {
    foreach ($folder in $roots) {
        $folder = [System.IO.Path]::Combine($folder, 'agent-task', $Place)
        $path = Join-Path $folder 'agent-task.exe'
        $partial = "$path.$([guid]::NewGuid())"
        try {
            New-Item -ItemType Directory -Force -Path $folder | Out-Null
            Copy-Item -LiteralPath $File -Destination $partial
            try {
                Move-Item -LiteralPath $partial -Destination $path -Force
            } catch {
                # Windows keeps a program that is running from being replaced. If another job has put the same bytes
                # there, they serve as well.
                if ((Get-Sha256 $path) -ne (Get-Sha256 $File)) { throw }
            }
            return $path
        } catch {
            continue
        } finally {
            Remove-Item -LiteralPath $partial -Force -ErrorAction SilentlyContinue
        }
    }
    Stop-Step ("The binary cannot be written in any of these folders: $($roots -join ', '). Make room in one of them, " +
        "make it writable, or $bringYourOwn.")
}

$verify = $true
if (@('false', 'False', 'FALSE') -ccontains $env:BINARY_VERIFY) {
    $verify = $false
} elseif ($env:BINARY_VERIFY -and @('true', 'True', 'TRUE') -cnotcontains $env:BINARY_VERIFY) {
    Stop-Step "``binary-verify``: expected true or false, got $env:BINARY_VERIFY."
}

$own = ''
if ($env:BINARY_PATH) {
    # A relative path starts at the workspace, which is where a step starts.
    $own = [System.IO.Path]::GetFullPath([System.IO.Path]::Combine($PWD.ProviderPath, $env:BINARY_PATH))
    if (-not (Test-Path -LiteralPath $own -PathType Leaf)) {
        Stop-Step "``binary-path: $env:BINARY_PATH``: this file does not exist. A relative path starts at the workspace."
    }
    if (-not $verify) {
        Complete-Step $own 'agent-task: the binary of binary-path'
    }
}

# Which release this commit is, and what that has for this machine.
$machine = "Windows/$([System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture)"
$target = ''
foreach ($line in Get-Content -LiteralPath (Join-Path $PSScriptRoot 'platforms.txt')) {
    $words = @(-split $line)
    if ($words.Count -ge 2 -and $words[1].Split(',') -ccontains $machine) { $target = $words[0] }
}
$cargo = [System.IO.File]::ReadAllText((Join-Path $root 'Cargo.toml'))
$sourceVersion = [regex]::Match($cargo, '(?m)^\[package\]\r?\n(?:[^\[\r\n].*\r?\n)*?version *= *"([^"]*)"').Groups[1].Value
$version = ''
$base = ''
$wanted = ''
foreach ($line in Get-Content -LiteralPath (Join-Path $PSScriptRoot 'manifest.txt')) {
    $words = @(-split $line)
    if ($words.Count -lt 2 -or $words[0].StartsWith('#')) { continue }
    switch -CaseSensitive ($words[0]) {
        'version' { $version = $words[1] }
        'base' { $base = $words[1] }
        $target { $wanted = $words[1] }
    }
}
$unreleased = ''
if (-not $version -or $version -cne $sourceVersion) {
    $unreleased = 'This commit of the action has no released binary'
} elseif (-not $wanted) {
    $unreleased = "Release $version has no binary for $machine"
} elseif ($version -notmatch '^[A-Za-z0-9][A-Za-z0-9._+-]*$' -or $wanted -cnotmatch '^[0-9a-f]{64}$') {
    Stop-Step "dist/manifest.txt of the action is damaged. Pin another release, or $bringYourOwn."
}

if ($own) {
    if ($unreleased) {
        Stop-Step ("$unreleased, so ``binary-path: $env:BINARY_PATH`` cannot be checked. Pin a release of the action, or " +
            'set `binary-verify: false` if you trust this file.')
    }
    $found = Get-Sha256 $own
    if ($found -ne $wanted) {
        Stop-Step ("``binary-path: $env:BINARY_PATH`` has the SHA-256 $found, and release $version for $target has " +
            "$wanted. Give that file, or set ``binary-verify: false`` if you trust this one.")
    }
    Complete-Step $own 'agent-task: the binary of binary-path'
}

$roots = @(@($env:RUNNER_TOOL_CACHE, $env:RUNNER_TEMP, [System.IO.Path]::GetTempPath()) | Where-Object { $_ })
$place = "$version/$wanted"
if ($unreleased) {
    # All that a build depends on.
    $files = @('Cargo.toml', 'Cargo.lock', 'build.rs' | ForEach-Object { Join-Path $root $_ })
    $files += @(Get-ChildItem -LiteralPath (Join-Path $root 'src') -Recurse -File | ForEach-Object { $_.FullName })
    $lines = $files | Sort-Object | ForEach-Object { "$(Get-Sha256 $_) $($_.Substring($root.Length))" }
    $place = "source/$(Get-TextSha256 (@($machine) + $lines -join "`n"))"
}
foreach ($folder in $roots) {
    $path = [System.IO.Path]::Combine($folder, 'agent-task', $place, 'agent-task.exe')
    # Other jobs can write to a tool cache, so a released file there is checked again.
    if ((Test-Path -LiteralPath $path -PathType Leaf) -and ($unreleased -or (Get-Sha256 $path) -eq $wanted)) {
        if ($unreleased) {
            Complete-Step $path "agent-task $sourceVersion, built from these sources before, from the cache"
        }
        Complete-Step $path "agent-task $version for $target, checked, from the cache"
    }
}

$scratch = ''
foreach ($folder in @($env:RUNNER_TEMP, [System.IO.Path]::GetTempPath())) {
    if (-not $folder) { continue }
    try {
        $scratch = Join-Path $folder "agent-task.$([guid]::NewGuid())"
        New-Item -ItemType Directory -Path $scratch | Out-Null
        break
    } catch {
        $scratch = ''
    }
}
if (-not $scratch) {
    Stop-Step "Neither RUNNER_TEMP nor the system's temporary folder can be written. Make room there, or $bringYourOwn."
}

try {
    if ($unreleased) {
        if (-not (Get-Command cargo -CommandType Application -ErrorAction SilentlyContinue)) {
            Stop-Step ("$unreleased, and cargo is missing, so it cannot be built either. Pin a release of the action (a " +
                "tag, or the commit of a tag), install Rust in a step before (https://rustup.rs), or $untrusted.")
        }
        Write-Output ("::notice title=agent-task is built from its sources::$unreleased, so cargo builds it now. That " +
            "takes two to five minutes, once for each tool cache, and GitHub's own runners begin with an empty one. Pin " +
            'a release of the action to avoid it.')
        # What else a job may have set that changes what is built.
        foreach ($name in 'CARGO_BUILD_RUSTFLAGS', 'CARGO_BUILD_TARGET', 'CARGO_ENCODED_RUSTFLAGS', 'RUSTFLAGS') {
            [Environment]::SetEnvironmentVariable($name, $null)
        }
        $env:CARGO_TARGET_DIR = Join-Path $scratch 'target'
        Write-Output '::group::cargo build --release --locked'
        Push-Location -LiteralPath $root
        & cargo build --release --locked
        $status = $LASTEXITCODE
        Pop-Location
        Write-Output '::endgroup::'
        $built = Join-Path $scratch 'target/release/agent-task.exe'
        if ($status -ne 0 -or -not (Test-Path -LiteralPath $built -PathType Leaf)) {
            Stop-Step ("$unreleased, and cargo cannot build it (exit status $status); the log says why. The build needs " +
                "the Rust version that the action's Cargo.toml names, and a C compiler. Pin a release of the action, or " +
                "$untrusted.")
        }
        $path = Move-IntoPlace $built $place
        Complete-Step $path "agent-task $sourceVersion, built from its sources"
    }

    if ($env:BINARY_BASE_URL) { $base = $env:BINARY_BASE_URL }
    $url = "$($base.TrimEnd('/'))/agent-task-$target.zip"
    # A mirror's password must not reach the log.
    $shown = $url -replace '//[^/]*@', '//***@'
    if ($url -notmatch '^https://' -and $url -notmatch '^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/') {
        Stop-Step "``binary-base-url``: expected an ``https://`` address, got $shown."
    }
    $archive = Join-Path $scratch 'download.zip'
    foreach ($pause in 1, 3, 0) {
        try {
            Invoke-WebRequest -UseBasicParsing -Uri $url -OutFile $archive -TimeoutSec 120
            break
        } catch {
            $why = $_.Exception.Message
            $status = 0
            if ($_.Exception.PSObject.Properties['Response'] -and $_.Exception.Response) {
                $status = [int] $_.Exception.Response.StatusCode
            }
            if (404, 410 -contains $status) {
                Stop-Step ("There is nothing at $shown. Was the release removed, or does the mirror in " +
                    "``binary-base-url`` not have version ${version}? Pin another release, or $bringYourOwn.")
            }
            if ($status -ge 300 -and $status -lt 500 -and 403, 408, 425, 429 -notcontains $status) {
                Stop-Step "The server refuses $shown ($why). Check ``binary-base-url``, or $bringYourOwn."
            }
            if ($pause -eq 0) {
                Stop-Step ("$shown cannot be fetched, after three attempts ($why). Check the network, HTTPS_PROXY and the " +
                    "free space, give a mirror in ``binary-base-url``, or $bringYourOwn.")
            }
            Start-Sleep -Seconds $pause
        }
    }
    $unpacked = Join-Path $scratch 'unpacked'
    try {
        Add-Type -AssemblyName System.IO.Compression.FileSystem
        [System.IO.Compression.ZipFile]::ExtractToDirectory($archive, $unpacked)
        $found = Get-Sha256 (Join-Path $unpacked 'agent-task.exe')
    } catch {
        Stop-Step ("The file at $shown cannot be unpacked ($($_.Exception.Message)). Something has changed it, perhaps a " +
            "proxy. Check ``binary-base-url``, or $bringYourOwn.")
    }
    if ($found -ne $wanted) {
        Stop-Step ("The file at $shown holds a binary with the SHA-256 $found, and this commit of the action wants " +
            "$wanted. It was deleted. Do not trust that file; report it to the maintainers.")
    }
    $path = Move-IntoPlace (Join-Path $unpacked 'agent-task.exe') $place
    Complete-Step $path "agent-task $version for $target, checked, fetched"
} finally {
    Remove-Item -LiteralPath $scratch -Recurse -Force -ErrorAction SilentlyContinue
}
