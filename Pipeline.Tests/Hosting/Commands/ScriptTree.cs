using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Commands;

/// <summary>
/// A tree with one script of the root, run from another folder; <see cref="Program"/> adds commands that precede
/// those of the system.
/// </summary>
internal sealed class ScriptTree : IDisposable
{
    private readonly TempFolder _temp = new();
    private readonly string _script;

    public ScriptTree(string script)
    {
        _script = script;
        foreach (var folder in (string[])["bin", "elsewhere"]) Directory.CreateDirectory(_temp.Path(folder));
        foreach (var folder in (string[])["deploy", "Evaluation", "Hosting", "Pipeline", "Sinks", "Sources",
            "Sources.OpenCv"])
            Directory.CreateDirectory(File(folder));
        foreach (var file in (string[])[script, "deploy/setup.sh"])
            System.IO.File.Copy(Repo.Path(file), File(file));
        foreach (var file in (string[])["global.json", "Some.props", "Hosting/Program.cs", "Hosting/Other.cs"])
            System.IO.File.WriteAllText(File(file), "");
        Program("ffmpeg", "#!/bin/bash\n");
    }

    public string Elsewhere => _temp.Path("elsewhere");

    public string File(string relative) => _temp.Path("tree/" + relative);

    public Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var path = $"PATH={_temp.Path("bin")}:{Environment.GetEnvironmentVariable("PATH")}";
        return Tool.RunAsync("env", ["-C", Elsewhere, path, "../tree/" + _script, .. arguments]);
    }

    /// <summary>Writes a command that the script finds first.</summary>
    public void Program(string name, string text)
    {
        var path = _temp.Path("bin/" + name);
        System.IO.File.WriteAllText(path, text);
        if (!OperatingSystem.IsWindows())
            System.IO.File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    public void Dispose() => _temp.Dispose();
}
