# What run.sh does, for Windows: runs the binary BIN with the inputs that action.yml gives this step. Windows has no
# `exec`; a Ctrl+C reaches every process of the console by itself.

$ErrorActionPreference = 'Stop'

$action = [System.IO.File]::ReadAllText((Join-Path $PSScriptRoot '../action.yml'))
$mapped = @([regex]::Matches($action, '(?m)^ *(INPUT_[A-Z_]+): ') | ForEach-Object { $_.Groups[1].Value })
foreach ($name in @([Environment]::GetEnvironmentVariables().Keys)) {
    if ($name -like 'INPUT_*' -and $mapped -notcontains $name) {
        [Environment]::SetEnvironmentVariable($name, $null)
    }
}
& $env:BIN
exit $LASTEXITCODE
