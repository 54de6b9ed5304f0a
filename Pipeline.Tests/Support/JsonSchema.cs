using System.Text.Json;
using System.Text.RegularExpressions;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// The part of JSON Schema 2020-12 that our schemas use. A keyword it does not know is an error, not a pass: a schema
/// that says more than is checked would prove nothing. <c>format</c> is an annotation, as the specification has it.
/// </summary>
internal sealed class JsonSchema
{
    private static readonly HashSet<string> Annotations =
        ["$schema", "$id", "$comment", "$defs", "title", "description", "examples", "default", "format"];

    private readonly Dictionary<string, JsonElement> _documents;
    private readonly string _name;

    private JsonSchema(Dictionary<string, JsonElement> documents, string name) =>
        (_documents, _name) = (documents, name);

    /// <summary>A schema file; references to its neighbours are read from the same folder.</summary>
    public static JsonSchema Load(string path)
    {
        var documents = Directory.GetFiles(Path.GetDirectoryName(path)!, "*.schema.json")
            .ToDictionary(f => Path.GetFileName(f)!, f => Parse(File.ReadAllText(f)));
        return new(documents, Path.GetFileName(path));
    }

    public static JsonSchema Of(string json) => new(new() { ["schema"] = Parse(json) }, "schema");

    public IReadOnlyList<string> Validate(string json) => Validate(Parse(json));

    /// <summary>What is wrong, each with its JSON pointer; empty when valid.</summary>
    /// <exception cref="NotSupportedException">The schema uses a keyword that is not checked here.</exception>
    public IReadOnlyList<string> Validate(JsonElement value)
    {
        var errors = new List<string>();
        Check(_documents[_name], _name, value, "", errors);
        return errors;
    }

    private void Check(JsonElement schema, string document, JsonElement value, string at, List<string> errors)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            if (schema.ValueKind == JsonValueKind.False) errors.Add($"{at}: not allowed");
            return;
        }

        foreach (var keyword in schema.EnumerateObject())
        {
            var rule = keyword.Value;
            switch (keyword.Name)
            {
                case var name when Annotations.Contains(name):
                    break;
                case "$ref":
                    var (target, home) = Resolve(rule.GetString()!, document);
                    Check(target, home, value, at, errors);
                    break;
                case "type":
                    var types = rule.ValueKind == JsonValueKind.Array
                        ? rule.EnumerateArray().Select(t => t.GetString()!).ToArray()
                        : [rule.GetString()!];
                    if (!types.Any(t => IsOf(t, value)))
                        errors.Add($"{at}: is {value.ValueKind}, not {string.Join(" or ", types)}");
                    break;
                case "const":
                    if (!JsonElement.DeepEquals(rule, value)) errors.Add($"{at}: is {value}, not {rule}");
                    break;
                case "enum":
                    if (!rule.EnumerateArray().Any(e => JsonElement.DeepEquals(e, value)))
                        errors.Add($"{at}: {value} is not one of {rule}");
                    break;
                case "pattern":
                    if (value.ValueKind == JsonValueKind.String
                        && !Regex.IsMatch(value.GetString()!, rule.GetString()!, RegexOptions.ECMAScript))
                        errors.Add($"{at}: {value} does not match {rule}");
                    break;
                case "minimum":
                    if (value.ValueKind == JsonValueKind.Number && value.GetDouble() < rule.GetDouble())
                        errors.Add($"{at}: {value} is less than {rule}");
                    break;
                case "maximum":
                    if (value.ValueKind == JsonValueKind.Number && value.GetDouble() > rule.GetDouble())
                        errors.Add($"{at}: {value} is more than {rule}");
                    break;
                case "minItems":
                    if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() < rule.GetInt32())
                        errors.Add($"{at}: fewer than {rule} items");
                    break;
                case "maxItems":
                    if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > rule.GetInt32())
                        errors.Add($"{at}: more than {rule} items");
                    break;
                case "items":
                    if (value.ValueKind != JsonValueKind.Array) break;
                    foreach (var (i, item) in value.EnumerateArray().Index())
                        Check(rule, document, item, $"{at}/{i}", errors);
                    break;
                case "required":
                    if (value.ValueKind != JsonValueKind.Object) break;
                    foreach (var name in rule.EnumerateArray())
                        if (!value.TryGetProperty(name.GetString()!, out _)) errors.Add($"{at}: {name} is missing");
                    break;
                case "properties":
                    if (value.ValueKind != JsonValueKind.Object) break;
                    foreach (var property in rule.EnumerateObject())
                        if (value.TryGetProperty(property.Name, out var member))
                            Check(property.Value, document, member, $"{at}/{property.Name}", errors);
                    break;
                case "additionalProperties":
                    if (value.ValueKind != JsonValueKind.Object) break;
                    foreach (var member in value.EnumerateObject())
                        if (!(schema.TryGetProperty("properties", out var known)
                            && known.TryGetProperty(member.Name, out _)))
                            Check(rule, document, member.Value, $"{at}/{member.Name}", errors);
                    break;
                case "allOf":
                    foreach (var part in rule.EnumerateArray()) Check(part, document, value, at, errors);
                    break;
                case "anyOf":
                    if (Matches(rule, document, value, at) == 0) errors.Add($"{at}: matches none of anyOf");
                    break;
                case "oneOf":
                    if (Matches(rule, document, value, at) is not 1 and var count)
                        errors.Add($"{at}: matches {count} of oneOf");
                    break;
                default:
                    throw new NotSupportedException($"{document}: keyword {keyword.Name} is not checked here.");
            }
        }
    }

    private int Matches(JsonElement schemas, string document, JsonElement value, string at) =>
        schemas.EnumerateArray().Count(s =>
    {
        var errors = new List<string>();
        Check(s, document, value, at, errors);
        return errors.Count == 0;
    });

    private (JsonElement Schema, string Document) Resolve(string reference, string document)
    {
        var parts = reference.Split('#');
        var home = parts[0].Length == 0 ? document : parts[0];
        var schema = _documents[home];
        foreach (var step in parts.Length > 1 ? parts[1].Split('/', StringSplitOptions.RemoveEmptyEntries) : [])
            schema = schema.GetProperty(step);
        return (schema, home);
    }

    private static bool IsOf(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number
            && (value.TryGetInt64(out _) || value.GetDouble() % 1 == 0),
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => value.ValueKind == JsonValueKind.Null,
        _ => throw new NotSupportedException($"type {type}"),
    };

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
