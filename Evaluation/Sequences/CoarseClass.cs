namespace Dvis.Streaming.Evaluation.Sequences;

/// <summary>What the annotated object of a sequence is.</summary>
public enum CoarseClass { Person, Vehicle, Animal }

/// <summary>From the classes of models to coarse classes.</summary>
public static class CoarseClasses
{
    // Names of COCO, and those of models that know the coarse classes themselves.
    private static readonly Dictionary<string, CoarseClass> s_groups = new(StringComparer.OrdinalIgnoreCase)
    {
        ["person"] = CoarseClass.Person,
        ["bicycle"] = CoarseClass.Vehicle,
        ["motorcycle"] = CoarseClass.Vehicle,
        ["car"] = CoarseClass.Vehicle,
        ["bus"] = CoarseClass.Vehicle,
        ["truck"] = CoarseClass.Vehicle,
        ["animal"] = CoarseClass.Animal,
        ["bird"] = CoarseClass.Animal,
        ["cat"] = CoarseClass.Animal,
        ["dog"] = CoarseClass.Animal,
        ["horse"] = CoarseClass.Animal,
        ["sheep"] = CoarseClass.Animal,
        ["cow"] = CoarseClass.Animal,
        ["elephant"] = CoarseClass.Animal,
        ["bear"] = CoarseClass.Animal,
        ["zebra"] = CoarseClass.Animal,
        ["giraffe"] = CoarseClass.Animal,
    };

    /// <summary>The group of a class; every name with <c>vehicle</c> in it is a vehicle. Null: in none.</summary>
    /// <param name="name">In upper or lower case.</param>
    public static CoarseClass? Of(string name)
    {
        if (s_groups.TryGetValue(name, out var group)) return group;
        return name.Contains("vehicle", StringComparison.OrdinalIgnoreCase) ? CoarseClass.Vehicle : null;
    }
}
